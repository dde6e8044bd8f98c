"""The shortest legal order of a few changes, also over third nodes: A* over all orders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heappop, heappush

from hocket.cluster.packing.ground import Done, Ground
from hocket.cluster.packing.waves import Change

LIMIT = 60_000
"""How many steps are tried before the search gives up: a few seconds of work."""

_HOPS = 1
"""On how many third nodes a pod may be on its way."""

_THIRD = 16
"""How many of the nodes that could be a pod's third node are tried at each point."""

_Path = tuple[Done, ...]


def shortest(
    ground: Ground,
    changes: tuple[Change, ...],
    *,
    limit: int = LIMIT,
    stop: Callable[[], bool] | None = None,
) -> bool:
    """Take the fewest steps on the ground that make all changes; False, and none, if none do.

    Only pods that change are touched, and each is on one third node at most. The number of steps
    that each change still needs is what guides the search (Hart, Nilsson and Raphael 1968); among
    equals the one that got further is tried first.
    """
    base = len(ground.done)
    queue: list[tuple[int, int, int, _Path]] = [(_needed(ground, changes), 0, 0, ())]
    seen: set[tuple[object, ...]] = set()
    number = tried = 0
    while queue and tried < limit and not (stop is not None and stop()):
        _, _, _, path = heappop(queue)
        _walk(ground, base, path)
        state = _state(ground, changes, base)
        if state in seen:
            continue
        seen.add(state)
        tried += len(changes)
        if _needed(ground, changes) == 0:
            return True
        for step in list(_steps(ground, changes, base)):
            ground.take((step,))
            needed = _needed(ground, changes)
            ground.back_to(base + len(path))
            number += 1
            tried += 1
            heappush(queue, (len(path) + 1 + needed, -len(path), number, (*path, step)))
    ground.back_to(base)
    return False


def _needed(ground: Ground, changes: tuple[Change, ...]) -> int:
    """How many steps the changes need, if none needs a third node from now on."""
    steps = 0
    for change in changes:
        node = ground.state.where.get(change.pod.key)
        if node != change.goal:
            steps += (node is not None) + (change.goal is not None)
    return steps


def _steps(ground: Ground, changes: tuple[Change, ...], base: int) -> Iterator[Done]:
    """Every legal step that may lead on."""
    hops = _hops(ground, changes, base)
    for change in changes:
        key = change.pod.key
        node = ground.state.where.get(key)
        if node == change.goal:
            continue
        if node is not None:
            if ground.may_evict(key):
                yield Done("evict", key, node)
            continue
        assert change.goal is not None  # a pod that shall run nowhere is down, which is its goal
        if ground.may_bind(key, change.goal):
            yield Done("bind", key, change.goal)
        if hops.get(key, 0) < _HOPS:
            third = [node for node in ground.able(key) if node != change.goal]
            for node in third[:_THIRD]:
                yield Done("bind", key, node)


def _hops(ground: Ground, changes: tuple[Change, ...], base: int) -> dict[str, int]:
    goals = {change.pod.key: change.goal for change in changes}
    found: dict[str, int] = {}
    for step in ground.done[base:]:
        if step.act == "bind" and step.node != goals[step.pod]:
            found[step.pod] = found.get(step.pod, 0) + 1
    return found


def _state(ground: Ground, changes: tuple[Change, ...], base: int) -> tuple[object, ...]:
    """What decides which steps are legal from here: places, GPUs held, third nodes used."""
    state, hops = ground.state, _hops(ground, changes, base)
    return tuple(
        (state.where.get(key), state.holds.get(key), hops.get(key, 0))
        for key in (change.pod.key for change in changes)
    )


def _walk(ground: Ground, base: int, path: _Path) -> None:
    """Bring the ground to the end of a path, undoing no more than must be."""
    common = 0
    for done, step in zip(ground.done[base:], path, strict=False):
        if (done.act, done.pod, done.node) != (step.act, step.pod, step.node):
            break
        common += 1
    ground.back_to(base + common)
    ground.take(path[common:])
