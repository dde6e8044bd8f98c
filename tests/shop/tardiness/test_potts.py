import numpy as np
import pytest

from hocket.core.errors import UserError
from hocket.shop.generate.potts import RDD_LEVELS, TF_LEVELS, potts_grid, potts_van_wassenhove


def test_due_dates_lie_in_the_range_of_the_class():
    rng = np.random.default_rng(1)
    for rdd in RDD_LEVELS:
        for tf in TF_LEVELS:
            p, d = potts_van_wassenhove(400, rdd, tf, rng)
            work = p.sum()
            low, high = work * (1 - tf - rdd / 2), work * (1 - tf + rdd / 2)
            assert low - 1 <= d.min() and d.max() <= high
            # 400 uniform draws: the mean's standard error is the range / sqrt(12 * 400).
            assert abs(d.mean() - (low + high) / 2) < 5 * (high - low) / np.sqrt(12 * 400)


def test_durations():
    rng = np.random.default_rng(2)
    ranges = {}
    for kind in ("uniform-99", "uniform-100", "normal"):
        p, _ = potts_van_wassenhove(20_000, 0.6, 0.6, rng, durations=kind)
        ranges[kind] = int(p.min()), int(p.max()), float(p.mean()), float(p.std())
    assert ranges["uniform-99"][:2] == (1, 99)
    assert ranges["uniform-100"][:2] == (1, 100)
    # The whole part takes half off the mean of N(60, s).
    assert ranges["normal"][0] == 0 and abs(ranges["normal"][2] - 59.5) < 0.6
    assert abs(ranges["normal"][3] - 20) < 0.5
    with pytest.raises(UserError, match="uniform-99"):
        potts_van_wassenhove(5, 0.6, 0.6, rng, durations="other")
    with pytest.raises(UserError, match="at least 0"):
        potts_van_wassenhove(-1, 0.6, 0.6, rng)


def test_clipping_changes_only_negative_due_dates():
    plain = potts_van_wassenhove(50, 1.0, 0.8, np.random.default_rng(3))
    clipped = potts_van_wassenhove(50, 1.0, 0.8, np.random.default_rng(3), clip=True)
    assert plain[1].min() < 0
    assert np.array_equal(plain[0], clipped[0])
    assert np.array_equal(np.maximum(plain[1], 0), clipped[1])


def test_the_grid_runs_rdd_outside_tf():
    classes = [(rdd, tf) for rdd, tf, _, _ in potts_grid(5, 2, np.random.default_rng(4))]
    assert classes[:4] == [(0.2, 0.2), (0.2, 0.2), (0.2, 0.4), (0.2, 0.4)]
    assert len(classes) == 40 and classes[-1] == (1.0, 0.8)


def test_reproducible():
    one, two = (list(potts_grid(6, 1, np.random.default_rng(5))) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a[2], b[2]) and np.array_equal(a[3], b[3])
