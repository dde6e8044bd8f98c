from hypothesis import example, given
from hypothesis import strategies as st

from hocket.core.tally import binned


@given(st.integers(0, 2**60), st.integers(0, 2**60))
@example(2**11 - 1, 2**11)
@example(2**20, 2**20 - 1)
def test_bins_are_narrow_and_keep_the_order(a, b):
    for value in (a, b):
        assert abs(binned(value) - value) <= value / 2048
        assert binned(binned(value)) == binned(value)
    if a <= b:
        assert binned(a) <= binned(b)


def test_small_values_keep_their_own():
    assert [binned(value) for value in range(2**11)] == list(range(2**11))


def test_a_power_of_two_has_a_thousand_bins():
    for power in (11, 12, 16):
        assert len({binned(value) for value in range(2**power, 2 ** (power + 1))}) == 1024
