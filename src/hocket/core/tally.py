"""Bins for tallies: memory that does not grow with what is counted."""

from __future__ import annotations

_BITS = 10


def binned(value: int) -> int:
    """The middle of the bin of a non-negative value; a bin is at most 0.1 % of the value wide.

    Values below 2^11 keep their own. Above, each power of two has 1,024 bins, as in an HDR
    histogram.
    """
    shift = value.bit_length() - _BITS - 1
    if shift <= 0:
        return value
    return (value >> shift << shift) + (1 << shift >> 1)
