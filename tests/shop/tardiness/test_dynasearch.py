import numpy as np
import pytest

from hocket.core.errors import UserError
from hocket.shop.generate.potts import potts_van_wassenhove
from hocket.shop.tardiness import rules
from hocket.shop.tardiness.dynasearch import dynasearch, dynasearch_step
from hocket.shop.tardiness.moves import EARLIER, LATER, SWAP, Line, apply
from hocket.shop.tardiness.objective import total_tardiness
from hocket.shop.tardiness.subset_dp import subset_dp
from tests.shop.tardiness.cases import tardiness


def best_set_of_moves(line, insertions):
    """The least value over all sets of moves on disjoint intervals, by trying every set."""
    n = len(line.p)
    kinds = (SWAP, LATER, EARLIER) if insertions else (SWAP,)
    best = line.value

    def extend(order, start):
        nonlocal best
        best = min(best, line.reordered(order).value)
        for i in range(start, n):
            for j in range(i + 1, n):
                for kind in kinds:
                    changed = order.copy()
                    apply(changed, kind, i, j)
                    extend(changed, j + 1)

    extend(np.arange(n), 0)
    return best


@pytest.mark.parametrize("insertions", [True, False])
def test_a_step_is_the_best_set_of_independent_moves(insertions):
    rng = np.random.default_rng(1)
    for _ in range(25):
        n = int(rng.integers(1, 7))
        line = Line(rng.integers(0, 9, n), rng.integers(-3, 25, n), rng.integers(0, 4, n))
        order = dynasearch_step(line, insertions)
        assert line.reordered(order).value == best_set_of_moves(line, insertions)


def test_finds_the_optimum_of_small_instances():
    rng = np.random.default_rng(2)
    for rdd, tf in ((0.2, 0.6), (0.4, 0.4), (0.6, 0.8)):
        p, d = potts_van_wassenhove(12, rdd, tf, rng)
        w = rng.integers(1, 10, 12)
        found = dynasearch(p, d, w, start=rules.edd(p, d), rng=rng, iterations=60)
        assert found.value == tardiness(subset_dp(p, d, w), p, d, w)
        assert found.value == tardiness(found.sequence, p, d, w)


def test_same_seed_same_search():
    p, d = potts_van_wassenhove(30, 0.2, 0.6, np.random.default_rng(3))
    runs = [
        dynasearch(p, d, start=rules.mdd(p, d), rng=np.random.default_rng(7), iterations=15)
        for _ in range(2)
    ]
    assert runs[0].sequence.tolist() == runs[1].sequence.tolist()


def test_the_callback_sees_every_improvement():
    p, d = potts_van_wassenhove(30, 0.2, 0.6, np.random.default_rng(4))
    seen = []
    found = dynasearch(
        p,
        d,
        start=rules.edd(p, d)[::-1],
        rng=np.random.default_rng(1),
        iterations=30,
        insertions=False,
        callback=lambda iteration, value, order: seen.append((iteration, value, order.tolist())),
    )
    values = [value for _, value, _ in seen]
    assert values == sorted(values, reverse=True) and len(set(values)) == len(values)
    assert values[-1] == found.value
    assert all(tardiness(order, p, d) == value for _, value, order in seen)


def test_the_search_returns_to_the_best_after_so_many_kicks(monkeypatch):
    bases = []

    def kicked(order, kick, rng):
        bases.append(order.tolist())
        return np.roll(order, 1)

    monkeypatch.setattr("hocket.shop.tardiness.dynasearch._kicked", kicked)
    # Three jobs in their only good order: each rotation is worse, and a step would repair it, so
    # the search is told to make none.
    monkeypatch.setattr(
        "hocket.shop.tardiness.dynasearch.dynasearch_step",
        lambda line, insertions: np.arange(len(line.p)),
    )
    p, d = [1, 2, 4], [1, 3, 6]
    rng = np.random.default_rng(0)
    dynasearch(p, d, start=[0, 1, 2], rng=rng, iterations=5, backtrack=2)
    assert bases == [[0, 1, 2], [2, 0, 1], [0, 1, 2], [2, 0, 1], [0, 1, 2]]


def test_limits():
    p, d = potts_van_wassenhove(30, 0.2, 0.6, np.random.default_rng(5))
    start, rng = rules.mdd(p, d), np.random.default_rng(0)
    assert dynasearch(p, d, start=start, rng=rng, iterations=3).iterations == 3
    stopped = dynasearch(p, d, start=start, rng=rng, iterations=10**6, time_limit=0.0)
    assert stopped.iterations == 0 and stopped.value == total_tardiness(start, p, d)
    reached = dynasearch(p, d, start=start, rng=rng, iterations=50, target=10**9)
    assert reached.iterations == 0
    assert dynasearch([], [], start=[], rng=rng).value == 0
    assert dynasearch([5], [1], start=[0], rng=rng).value == 4
    with pytest.raises(UserError):
        dynasearch(p, d, start=start, rng=rng, kick=0)
