"""Named streams: fixed for ever, independent of each other and of the order of their creation."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from hocket.core.errors import UserError
from hocket.core.streams import MAX_SEED, Streams

NAMES = st.text(min_size=1, max_size=12)
SEEDS = st.integers(0, MAX_SEED)

GOLDEN_INTEGERS = [601288, 689631, 707759, 479863, 77309]
GOLDEN_FLOATS = [0.5746810186621819, 0.9879584670323809, 0.3248750332632242]


def test_first_numbers_are_golden() -> None:
    """A change here changes every published result; there is no reason good enough."""
    streams = Streams(7)
    breakdowns = streams["machine-3.breakdowns"]
    assert breakdowns.integers(0, 1_000_000, 5).tolist() == GOLDEN_INTEGERS
    assert streams["arrivals"].random(3).tolist() == GOLDEN_FLOATS


def test_another_name_changes_nothing() -> None:
    alone = Streams(3)["a"].random(8)
    crowd = Streams(3)
    for name in ("z", "b", "a.b", "A", "a "):
        crowd[name].random(5)
    assert crowd["a"].random(8).tolist() == alone.tolist()


@given(SEEDS, st.lists(NAMES, min_size=2, max_size=5, unique=True))
def test_order_of_creation_does_not_matter(seed: int, names: list[str]) -> None:
    forward, backward = Streams(seed), Streams(seed)
    first = {name: forward[name].integers(0, 2**62, 3).tolist() for name in names}
    second = {name: backward[name].integers(0, 2**62, 3).tolist() for name in reversed(names)}
    assert first == second
    assert len({tuple(numbers) for numbers in first.values()}) == len(names)


def test_a_name_asked_for_again_continues() -> None:
    streams = Streams(11)
    together = Streams(11)["x"].random(4).tolist()
    assert [streams["x"].random() for _ in range(4)] == together
    assert streams["x"] is streams["x"]


def test_child_shares_the_root_and_prefixes_names() -> None:
    streams = Streams(5)
    machine = streams.child("machine-1")
    assert machine["repair"] is streams["machine-1.repair"]
    assert machine.child("tool")["wear"] is streams["machine-1.tool.wear"]
    assert machine.seed == 5
    assert repr(machine) == "Streams(5, prefix='machine-1.')"


def test_seeds_and_names_give_uncorrelated_numbers() -> None:
    """Neighbouring seeds and names: 190 pairs of 20 streams, correlation within chance."""
    draws = [Streams(seed)[f"machine-{i}"].random(4000) for seed in (0, 1) for i in range(10)]
    correlation = np.corrcoef(draws)[np.triu_indices(20, 1)]
    # Each is about normal with deviation 1/sqrt(4000); their sum of squares is chi-squared.
    statistic = float((correlation**2).sum() * 4000)
    assert scipy_stats.chi2.sf(statistic, correlation.size) > 0.001
    assert scipy_stats.kstest(np.concatenate(draws), "uniform").pvalue > 0.001


@pytest.mark.parametrize("hashseed", ["0", "1", "random"])
def test_hash_seed_of_the_process_does_not_matter(hashseed: str) -> None:
    program = "from hocket.core.streams import Streams; print(Streams(9)['a'].integers(0, 2**62))"
    environment = dict(os.environ, PYTHONHASHSEED=hashseed)
    printed = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert int(printed.stdout) == int(Streams(9)["a"].integers(0, 2**62))


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1, 1.0, float("nan"), "1", None, True, [1]])
def test_what_is_not_a_seed_is_refused(seed: object) -> None:
    with pytest.raises(UserError, match=r"a seed is an integer from 0 to 2\^128 - 1"):
        Streams(seed)  # type: ignore[arg-type]


def test_extreme_and_numpy_seeds_work() -> None:
    assert Streams(0)["a"].random() != Streams(MAX_SEED)["a"].random()
    assert Streams(np.int64(4)).seed == 4  # type: ignore[arg-type]
    assert type(Streams(np.int64(4)).seed) is int  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", 3, None])
def test_what_is_not_a_name_is_refused(name: object) -> None:
    with pytest.raises(UserError, match="non-empty string"):
        Streams(1)[name]  # type: ignore[index]
    with pytest.raises(UserError, match="non-empty string"):
        Streams(1).child(name)  # type: ignore[arg-type]
