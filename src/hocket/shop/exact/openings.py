"""When machines are open, and how long an operation that starts then is interrupted."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

Windows = list[tuple[int, int]]
"""Half-open spans of ticks, in ascending order and apart from each other."""


def windows(closures: Iterable[tuple[int, int]], horizon: int) -> Windows:
    """The open spans within ``[0, horizon)``, given when the machine is closed."""
    found: Windows = []
    at = 0
    for start, end in closures:
        if start >= horizon:
            break
        if start > at:
            found.append((at, start))
        at = max(at, end)
    if at < horizon:
        found.append((at, horizon))
    return found


def pauses(opened: Windows, work: int) -> dict[int, Windows]:
    """The starts of an operation of `work` ticks, grouped by how long it is interrupted.

    Maps the closed time between start and finish to the spans of such starts. All starts are at
    open ticks, and every operation finishes within the last window. So the finish is
    ``start + work + pause``, with only as many different pauses as there are kinds of closures
    (a night, a weekend): that is what the solver branches on.
    """
    if work == 0:
        return {0: list(opened)} if opened else {}
    found: dict[int, Windows] = {}
    shut, done = _coordinates(opened)
    for i, (begin, end) in enumerate(opened):
        j = max(i, bisect_right(done, done[i] + work) - 2)
        while j < len(opened):
            # Finishing in window j means that the work clock reads in (done[j], done[j + 1]].
            low = max(begin, begin + done[j] - done[i] - work + 1)
            high = min(end, begin + done[j + 1] - done[i] - work + 1)
            if low >= end:
                break
            if low < high:
                found.setdefault(shut[j] - shut[i], []).append((low, high))
            j += 1
    return found


def pieces(opened: Windows | None, start: int, end: int) -> Windows:
    """The parts of ``[start, end)`` in which the machine is open; itself when it is empty."""
    if opened is None or start == end:
        return [(start, end)]
    cut = ((max(start, a), min(end, b)) for a, b in opened)
    return [(a, b) for a, b in cut if a < b]


def _coordinates(opened: Windows) -> tuple[list[int], list[int]]:
    """Per window the closed time before it; and the open time before it, then in all."""
    shut, done = [], [0]
    for begin, end in opened:
        shut.append(begin - done[-1])
        done.append(done[-1] + end - begin)
    return shut, done
