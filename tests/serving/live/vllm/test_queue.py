"""The queue: in order of ranks, with a gate for truth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.live.vllm.queue import Queue


class One:
    """A request, of which the queue only knows that it is the same."""

    def __init__(self, rank: int) -> None:
        self.rank = rank


def queue() -> Queue:
    return Queue(lambda one: one.rank)


def order(queue: Queue) -> list[One]:
    return list(queue)


def test_equal_ranks_keep_the_order_of_entering() -> None:
    ones = [One(1), One(0), One(1), One(0)]
    found = queue()
    for one in ones:
        found.add_request(one)
    assert order(found) == [ones[1], ones[3], ones[0], ones[2]]
    assert found.peek_request() is ones[1]
    assert [found.pop_request() for _ in range(4)] == [ones[1], ones[3], ones[0], ones[2]]


def test_who_gave_way_is_ranked_anew_and_enters_behind_its_equals() -> None:
    first, second = One(1), One(1)
    found = queue()
    found.add_request(first)
    found.add_request(second)
    assert found.pop_request() is first
    found.prepend_request(first)
    assert order(found) == [second, first]


def test_who_is_put_back_has_its_old_place() -> None:
    ones = [One(1), One(1), One(1)]
    found = queue()
    for one in ones:
        found.add_request(one)
    found.begin()
    taken = [found.pop_request(), found.pop_request()]
    found.prepend_requests(reversed(taken))
    assert order(found) == ones


def test_who_comes_back_in_a_later_iteration_is_ranked_anew() -> None:
    first, second = One(1), One(2)
    found = queue()
    found.add_request(first)
    found.add_request(second)
    found.begin()
    found.pop_request()
    first.rank = 3
    found.begin()
    found.prepend_requests([first])
    assert order(found) == [second, first]


def test_truth_is_the_gate_only_while_there_is_one() -> None:
    found = queue()
    assert not found
    found.add_request(One(1))
    assert found
    found.gate = lambda: False
    assert not found
    assert len(found) == 1
    found.gate = None
    assert found


def test_empty_queues_raise_as_vllm_expects() -> None:
    for ask in (queue().peek_request, queue().pop_request):
        with pytest.raises(IndexError):
            ask()


def test_popping_is_told() -> None:
    told: list[One] = []
    found, one = queue(), One(1)
    found.popped = told.append
    found.add_request(one)
    found.pop_request()
    assert told == [one]


RANKS = st.lists(st.integers(0, 3), max_size=20)


@given(ranks=RANKS, gone=st.sets(st.integers(0, 19)), popped=st.integers(0, 20))
def test_it_is_a_stable_sort(ranks: list[int], gone: set[int], popped: int) -> None:
    ones = [One(rank) for rank in ranks]
    found = queue()
    for one in ones:
        found.add_request(one)
    found.remove_requests([one for i, one in enumerate(ones) if i in gone])
    left = sorted((one for i, one in enumerate(ones) if i not in gone), key=lambda one: one.rank)
    assert order(found) == left
    taken = [found.pop_request() for _ in range(min(popped, len(left)))]
    assert taken == left[: len(taken)]
    assert len(found) == len(left) - len(taken)
    found.prepend_requests(taken)
    assert order(found) == left
    if left:
        found.remove_request(left[0])
        assert order(found) == left[1:]
