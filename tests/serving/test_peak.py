import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.peak import Futures, peak

batches = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30)), max_size=9)


def by_stepping(batch):
    """The peak by letting every request grow token by token until all are done."""
    alive, highest = list(batch), 0
    while alive:
        highest = max(highest, sum(held for held, _ in alive))
        alive = [(held + 1, left - 1) for held, left in alive if left > 0]
    return highest


def columns(batch):
    return [held for held, _ in batch], [left for _, left in batch]


@given(batches)
def test_the_formula_is_what_stepping_token_by_token_gives(batch):
    assert int(peak(*columns(batch))) == by_stepping(batch)


@given(st.lists(st.lists(st.integers(0, 30), min_size=4, max_size=4), min_size=1, max_size=5))
def test_many_guesses_at_once_are_the_guesses_one_by_one(guesses):
    held = [7, 0, 12, 3]
    at_once = peak(np.broadcast_to(held, (len(guesses), 4)), guesses)
    assert at_once.tolist() == [by_stepping(zip(held, left, strict=True)) for left in guesses]


@given(batches, st.integers(0, 40), st.lists(st.integers(0, 30), min_size=1, max_size=4))
def test_one_more_request_is_tested_as_if_it_were_in_the_batch(batch, held, lefts):
    sizes, left = columns(batch)
    futures = Futures(sizes, np.tile(left, (len(lefts), 1)))
    assert futures.peaks.tolist() == [by_stepping(batch)] * len(lefts)
    expected = [by_stepping([*batch, (held, more)]) for more in lefts]
    assert futures.peaks_with(held, lefts).tolist() == expected
    futures.add(held, lefts)
    assert futures.peaks.tolist() == expected
    assert (len(futures), futures.size) == (len(lefts), len(batch) + 1)


@given(batches.filter(bool), st.data())
def test_the_peak_never_falls_when_a_request_holds_more_or_has_more_left(batch, data):
    which = data.draw(st.integers(0, len(batch) - 1))
    held, left = batch[which]
    for grown in ((held + 1, left), (held, left + 1)):
        assert peak(*columns([*batch[:which], grown, *batch[which + 1 :]])) >= peak(*columns(batch))


def test_an_example_by_hand():
    # Longest first: 10 + 6 = 16; 10 + 20 + 2 * 4 = 38; 10 + 20 + 5 + 3 * 1 = 38.
    assert peak([20, 5, 10], [4, 1, 6]) == 38


def test_an_empty_batch_holds_nothing():
    assert peak([], []) == 0
    assert Futures([], np.empty((3, 0))).peaks.tolist() == [0, 0, 0]
    assert Futures([], np.empty((2, 0))).peaks_with(5, [1, 4]).tolist() == [6, 9]
