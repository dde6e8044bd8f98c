import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from hocket.serving.calibrate.start import datasheet, first_estimate, nonnegative, windows
from hocket.serving.formats.measured import Measured
from tests.serving.calibrate.logs import KNOWN, POOL, requests, served


@given(seed=st.integers(0, 10_000), rows=st.integers(5, 30), columns=st.integers(1, 5))
def test_nonnegative_least_squares_are_those_of_scipy(seed: int, rows: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.uniform(-1, 1, (rows, columns)) * rng.uniform(0.01, 100, columns)
    target = rng.uniform(-1, 1, rows)
    _, norm = nnls(matrix, target)
    found = nonnegative(matrix, target)
    assert (found >= 0).all()
    assert np.linalg.norm(matrix @ found - target) == pytest.approx(norm, rel=1e-6, abs=1e-6)


def test_columns_of_zeros_get_nothing() -> None:
    matrix = np.array([[1.0, 0.0], [2.0, 0.0]])
    assert nonnegative(matrix, np.array([3.0, 6.0])).tolist() == pytest.approx([3.0, 0.0])


def test_windows_hold_what_ran_at_the_same_time() -> None:
    # B's prompt is computed while A decodes; both decode together for the second half of A.
    log = Measured(
        arrival=np.array([0.0, 1.0]),
        prompt=np.array([100, 40]),
        output=np.array([11, 21]),
        first_token=np.array([1.0, 2.0]),
        last_token=np.array([3.0, 4.0]),
    )
    first, second = windows(log)
    steps, tokens, pairs, decodes, context = first
    assert (steps, tokens, pairs) == (10, 40, 800)
    assert decodes == pytest.approx(10 * 1.5)
    # A holds 100 + 5.5 in the mean, B for half the time 40 + 21 / 4
    assert context == pytest.approx(10 * (105.5 + 0.5 * (40 + 21 / 4)))
    assert second[:3].tolist() == [20, 0, 0]


def test_the_datasheet_is_a_line_through_the_roofline() -> None:
    base, token, pair, decode, context = datasheet(POOL)
    weights = 7.5e9 * 2 / (2039e9 * 0.85)  # without the embedding
    assert base == pytest.approx(weights + 32 * 15e-6, rel=0.02)
    assert context == pytest.approx(131_072 / (2039e9 * 0.85))
    assert 0 < pair < 1e-8 < token < 1e-3 and decode > 0


def test_the_first_estimate_is_near_where_batches_vary() -> None:
    log = served(requests(200, rate=3.0), KNOWN)
    found = first_estimate(log, np.ones(200, dtype=bool), POOL)
    assert found.base == pytest.approx(KNOWN.base, rel=0.15)
    assert found.per_token == pytest.approx(KNOWN.per_token, rel=0.3)
