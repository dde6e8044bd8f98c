import numpy as np
import pytest

from hocket.shop.tardiness.moves import (
    EARLIER,
    LATER,
    SWAP,
    Line,
    apply,
    best_moves,
    earlier_deltas,
    later_deltas,
    swap_deltas,
)
from tests.shop.tardiness.cases import tiny

DELTAS = {SWAP: swap_deltas, LATER: later_deltas, EARLIER: earlier_deltas}


def lines():
    rng = np.random.default_rng(5)
    for case in range(30):
        p, d = tiny(rng, most=9)
        w = rng.integers(0, 6, len(p)) if case % 2 else np.ones(len(p), dtype=np.int64)
        yield Line(p, d, w if case % 3 else w + 0.5)


@pytest.mark.parametrize("kind", DELTAS)
def test_deltas_equal_making_the_move(kind):
    for line in lines():
        deltas = DELTAS[kind](line)
        for i in range(len(line.p)):
            for j in range(i + 1, len(line.p)):
                order = np.arange(len(line.p))
                apply(order, kind, i, j)
                assert deltas[i, j] == line.reordered(order).value - line.value
        assert not np.tril(deltas).any()


def test_best_moves_takes_the_least_of_the_three():
    for line in lines():
        deltas, kinds = best_moves(line)
        every = np.stack([DELTAS[kind](line) for kind in (SWAP, LATER, EARLIER)])
        assert np.array_equal(deltas, every.min(axis=0))
        assert np.array_equal(kinds, every.argmin(axis=0))


def test_moves_by_hand():
    order = np.arange(5)
    apply(order, LATER, 1, 3)
    assert order.tolist() == [0, 2, 3, 1, 4]
    apply(order, EARLIER, 1, 3)
    assert order.tolist() == [0, 1, 2, 3, 4]
    apply(order, SWAP, 0, 4)
    assert order.tolist() == [4, 1, 2, 3, 0]
