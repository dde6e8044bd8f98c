"""Bounds without search: however pods are arranged, no more of them run than all nodes can hold.

For any weights of the resources, what pods take in weighted sum is at most what there is. Pods of
the tiers above must run in the number reached there, so the smallest of them are taken first; then
the smallest of the next tier as long as there is room.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hocket.cluster.packing.case import Case, Mask, Vector
from hocket.cluster.packing.score import ANY, Bounds, Score

_SCALE = 2**50
_MIXES = 8


def bound_by_volume(case: Case, reached: Score, bounds: Bounds) -> None:
    """Prove how many pods of each tier can run at most, given what is reached above."""
    room = _room(case)
    able = np.array([bool(kind.enter.any()) for kind in case.kinds])
    candidate = (case.home >= 0) | able[case.kind]
    tiers = range(len(case.priorities))
    most = [int((candidate & (case.tier <= t)).sum()) for t in tiers]
    placed = [tier[0] for tier in reached.tiers]
    for weights in _weights(room):
        size = (case.demand * weights).sum(axis=1)[case.kind]
        total = int((room * weights).sum())
        for t in tiers:
            if most[t] > placed[t]:
                most[t] = min(most[t], _fit(case, size, candidate, total, placed, t))
    for t in tiers:
        given = tuple(part for above in range(t) for part in (placed[above], ANY))
        bounds.prove(2 * t, max(most[t], 0), given)


def _room(case: Case) -> Vector:
    """What all nodes have of each resource; of those that none can enter, what is taken now."""
    entered = np.zeros(len(case.names), dtype=np.bool_)
    for kind in case.kinds:
        entered |= kind.enter
    room: Vector = np.where(entered[:, None], case.limit, case.used(case.home)).sum(axis=0)
    return room


def _weights(room: Vector) -> Iterator[Vector]:
    """Each resource alone, then each pair in several proportions."""
    unit = np.array([_SCALE // int(r) if r else 0 for r in room], dtype=np.int64)
    count = len(unit)
    for a in range(count):
        yield np.where(np.arange(count) == a, unit, 0)
    for a in range(count):
        for b in range(a):
            for part in range(1, _MIXES):
                weights = np.zeros(count, dtype=np.int64)
                weights[a] = unit[a] // _MIXES * part
                weights[b] = unit[b] // _MIXES * (_MIXES - part)
                yield weights


def _fit(
    case: Case, size: Vector, candidate: Mask, total: int, placed: list[int], tier: int
) -> int:
    """How many pods of a tier and above fit in all."""
    taken = np.zeros(len(size), dtype=np.bool_)
    for above in range(tier):
        order = _smallest(size, candidate & ~taken & (case.tier <= above))
        taken[order[: placed[above] - int(taken.sum())]] = True
    rest = total - int(size[taken].sum())
    order = _smallest(size, candidate & ~taken & (case.tier <= tier))
    return int(taken.sum()) + int((size[order].cumsum() <= rest).sum())


def _smallest(size: Vector, pods: Mask) -> Vector:
    numbers = np.flatnonzero(pods)
    order: Vector = numbers[np.argsort(size[numbers], kind="stable")]
    return order
