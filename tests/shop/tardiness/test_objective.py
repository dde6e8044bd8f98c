import numpy as np
import pytest

from hocket.core.errors import InputError
from hocket.shop.tardiness.objective import (
    completion_times,
    late_jobs,
    max_lateness,
    total_tardiness,
    weighted_tardiness,
)
from tests.shop.tardiness.cases import tardiness, tiny

P, D = [3, 2, 4], [4, 1, 20]


def test_by_hand():
    # 1 ends at 2 (one late), 0 at 5 (one late), 2 at 9 (eleven early)
    assert completion_times([1, 0, 2], P).tolist() == [5, 2, 9]
    assert total_tardiness([1, 0, 2], P, D) == 2
    assert weighted_tardiness([1, 0, 2], P, D, [5, 7, 100]) == 12
    assert weighted_tardiness([1, 0, 2], P, D, [0.5, 0.25, 1]) == 0.75
    assert max_lateness([1, 0, 2], P, D) == 1
    assert late_jobs([1, 0, 2], P, D) == 2


def test_max_lateness_is_negative_when_all_are_early():
    assert max_lateness([0], [4], [9]) == -5


def test_equals_the_plain_loop():
    rng = np.random.default_rng(1)
    for _ in range(50):
        p, d = tiny(rng)
        order = rng.permutation(len(p))
        w = rng.integers(0, 5, len(p))
        assert total_tardiness(order, p, d) == tardiness(order, p, d)
        assert weighted_tardiness(order, p, d, w) == tardiness(order, p, d, w)


@pytest.mark.parametrize(
    ("sequence", "p", "d"),
    [
        ([0, 0, 1], P, D),
        ([0, 1], P, D),
        ([0, 1, 3], P, D),
        ([0, 1, 2], P, D[:2]),
        ([0, 1, 2], [3, -1, 4], D),
        ([0, 1, 2], [3.5, 1, 4], D),
        ([0.0, 1.0, 2.0], P, D),
    ],
)
def test_wrong_input_is_refused(sequence, p, d):
    with pytest.raises(InputError):
        total_tardiness(sequence, p, d)


def test_weights_are_checked():
    with pytest.raises(InputError, match="weights"):
        weighted_tardiness([0, 1, 2], P, D, [1, -1, 1])
    with pytest.raises(InputError, match="3 jobs"):
        weighted_tardiness([0, 1, 2], P, D, [1, 1])
