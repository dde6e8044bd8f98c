"""Shared GPUs of one node: whether requests fit on them, each GPU on its own."""

from __future__ import annotations

from collections.abc import Sequence

from hocket.cluster.model.pods import WHOLE

Request = tuple[int, int]
"""How many GPUs, and thousandths of each; parts are asked of one GPU only."""


def fit(free: Sequence[int], requests: Sequence[Request]) -> list[tuple[int, ...]] | None:
    """GPUs for each of the requests, given what is free of every GPU; None if they do not fit.

    Exact: whole GPUs go to any that are free; parts are packed by depth-first search, the largest
    first, trying GPUs with the same rest only once.
    """
    left = list(free)
    found: list[tuple[int, ...]] = [()] * len(requests)
    for r, (gpus, milli) in enumerate(requests):
        if milli == WHOLE:
            able = [d for d, rest in enumerate(left) if rest >= WHOLE][:gpus]
            if len(able) < gpus:
                return None
            for device in able:
                left[device] -= WHOLE
            found[r] = tuple(able)
    parts = sorted(
        (-milli, r) for r, (gpus, milli) in enumerate(requests) if gpus and milli < WHOLE
    )
    if not _pack(left, [-milli for milli, _ in parts], 0, found, [r for _, r in parts]):
        return None
    return found


def _pack(
    left: list[int],
    sizes: list[int],
    first: int,
    found: list[tuple[int, ...]],
    numbers: list[int],
) -> bool:
    if first == len(sizes):
        return True
    size = sizes[first]
    if sum(rest for rest in left if rest >= sizes[-1]) < sum(sizes[first:]):
        return False
    tried: set[int] = set()
    for device in sorted(range(len(left)), key=lambda d: left[d]):  # the fullest first
        rest = left[device]
        if rest >= size and rest not in tried:
            tried.add(rest)
            left[device] = rest - size
            found[numbers[first]] = (device,)
            if _pack(left, sizes, first + 1, found, numbers):
                return True
            left[device] = rest
    return False
