import numpy as np
import pytest

from hocket.core.errors import UserError
from hocket.shop.generate.potts import potts_van_wassenhove
from hocket.shop.tardiness import rules
from hocket.shop.tardiness.descent import descent
from tests.shop.tardiness.cases import tardiness, tiny


def neighbours(order, insertions):
    n = len(order)
    for i in range(n):
        for j in range(n):
            if i < j:
                swapped = list(order)
                swapped[i], swapped[j] = swapped[j], swapped[i]
                yield swapped
            if insertions and i != j:
                moved = list(order)
                moved.insert(j, moved.pop(i))
                yield moved


@pytest.mark.parametrize("accept", ["best", "first"])
@pytest.mark.parametrize("insertions", [True, False])
def test_ends_where_no_neighbour_is_better(accept, insertions):
    rng = np.random.default_rng(1)
    for _ in range(15):
        p, d = tiny(rng, most=9)
        w = rng.integers(0, 5, len(p))
        start = rng.permutation(len(p))
        found = descent(p, d, w, start=start, accept=accept, insertions=insertions)
        assert found.value == tardiness(found.sequence, p, d, w)
        for other in neighbours(found.sequence.tolist(), insertions):
            assert tardiness(other, p, d, w) >= found.value


def test_fractional_weights_end_too():
    rng = np.random.default_rng(2)
    p, d = potts_van_wassenhove(25, 0.4, 0.6, rng)
    found = descent(p, d, rng.random(25), start=rules.edd(p, d))
    assert found.steps > 0


def test_steps_are_limited_and_the_start_is_kept():
    p, d = potts_van_wassenhove(25, 0.2, 0.6, np.random.default_rng(3))
    start = rules.edd(p, d)
    before = start.copy()
    one = descent(p, d, start=start, max_steps=1)
    assert one.steps == 1 and one.value < tardiness(start, p, d)
    assert np.array_equal(start, before)
    assert descent(p, d, start=start, max_steps=0).sequence.tolist() == start.tolist()


def test_unknown_acceptance():
    with pytest.raises(UserError, match="'best' or the 'first'"):
        descent([1], [1], start=[0], accept="worst")


def test_no_jobs():
    assert descent([], [], start=[]).value == 0
