"""From the present to a target: steps in an order in which each of them is legal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import msgspec

from hocket.cluster.model.pods import Pod, Pods
from hocket.cluster.packing.detour import shortest
from hocket.cluster.packing.ground import Ground
from hocket.cluster.packing.plan import Step
from hocket.cluster.packing.reasons import explained
from hocket.cluster.packing.waves import Change, Wave, Waves, as_waves, open_changes

_FEW = 10
"""Of up to so many changes all orders are searched; of more, those of the ones that are stuck."""

Stop = Callable[[], bool] | None


class Blocked(NamedTuple):
    """No order was found: these changes, by pod and new node, wait for one another."""

    changes: frozenset[tuple[str, str | None]]
    reason: str


def sequence(
    cluster: Pods,
    target: Mapping[str, str],
    *,
    keep: Collection[str] = (),
    stop: Stop = None,
) -> tuple[Step, ...] | Blocked:
    """Steps that lead from the present of a snapshot to `target`, the node of every pod in the end.

    Every eviction respects the budgets, a pod that moves being down from its eviction to its bind,
    and every bind is legal when it is made. The waves are few: as much happens at once as the
    budgets bear. Only pods whose node changes are touched, one of them possibly on its way over a
    third node. Pods of one owner that are alike change places in the target where that leaves more
    of them alone, except that those of `keep` run in the end.

    If the first attempt fails, all orders of up to ten changes are searched, of more those of the
    changes that are stuck, until a fixed amount of work is done. `stop` ends the search early.
    """
    goals = exchanged(cluster, target, keep)
    ground = Ground(cluster)
    changes = _changes(cluster, goals, ground)
    stuck = [change for change in changes if change.pod.protected and change.pod.node is not None]
    if stuck:
        return _blocked(ground, stuck, "they are protected and cannot leave")
    if not _ordered(ground, changes, stop):
        return _blocked(ground, list(open_changes(ground, changes)), "each waits for the others")
    waves = as_waves(ground.done)
    ground.back_to(0)
    return explained(cluster, joined(ground, waves))


def exchanged(
    cluster: Pods, target: Mapping[str, str], keep: Collection[str] = ()
) -> dict[str, str]:
    """The target with places exchanged between like pods, so that more pods stay where they are.

    A pod of `keep` that runs in the target still does.
    """
    goals = dict(target)
    coming = [pod for pod in cluster.pods if goals.get(pod.key) not in (None, pod.node)]
    moving = {pod.owner for pod in coming if pod.owner}
    alike: dict[bytes, list[Pod]] = defaultdict(list)
    for pod in cluster.pods:
        if pod.owner in moving and not pod.protected:
            alike[_kind(pod)].append(pod)
    for pods in alike.values():
        _exchange(pods, goals, keep)
    return goals


def _kind(pod: Pod) -> bytes:
    return msgspec.msgpack.encode(msgspec.structs.replace(pod, name="", node=None))


def _exchange(pods: list[Pod], goals: dict[str, str], keep: Collection[str]) -> None:
    """Let pods that leave a node stay there for others of their kind that come to it."""
    leaving: dict[str, list[Pod]] = defaultdict(list)
    for pod in pods:
        if pod.node is not None and goals.get(pod.key) != pod.node:
            leaving[pod.node].append(pod)
    coming = [pod for pod in pods if goals.get(pod.key) not in (None, pod.node)]
    while coming:
        pod = coming.pop(0)
        goal = goals.get(pod.key)
        if goal is None or goal == pod.node or not leaving[goal]:
            continue
        other = leaving[goal][0]
        instead = goals.get(other.key)
        if instead is None and pod.key in keep:
            continue
        leaving[goal].pop(0)
        goals[other.key] = goal
        if instead is None:
            del goals[pod.key]
        else:
            goals[pod.key] = instead
            if instead == pod.node:  # both stay
                leaving[instead].remove(pod)
            else:
                coming.append(pod)


def _changes(cluster: Pods, goals: Mapping[str, str], ground: Ground) -> tuple[Change, ...]:
    """The changes, the most important pods first."""
    index = ground.state.index
    found = []
    for pod in cluster.pods:
        goal = goals.get(pod.key)
        if goal != pod.node:
            found.append(Change(pod, None if goal is None else index[goal]))
    return tuple(sorted(found, key=lambda change: -change.pod.priority))


def _ordered(ground: Ground, changes: tuple[Change, ...], stop: Stop) -> bool:
    """Take steps on the ground that make all changes; if it cannot, as many as were made."""
    if Waves(ground, changes, stop).run():
        return True
    reached = list(ground.done)
    if len(changes) > _FEW:
        return shortest(ground, tuple(open_changes(ground, changes)), stop=stop)
    ground.back_to(0)
    if shortest(ground, changes, stop=stop):
        return True
    ground.take(reached)
    return False


def _blocked(ground: Ground, changes: list[Change], why: str) -> Blocked:
    names = [node.name for node in ground.state.nodes]
    found = [
        (change.pod.key, None if change.goal is None else names[change.goal]) for change in changes
    ]
    told = ", ".join(f"{key} to {goal}" if goal else f"{key} away" for key, goal in found[:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return Blocked(frozenset(found), f"no order of these changes is legal, {why}: {told}{more}")


def joined(ground: Ground, waves: list[Wave]) -> list[Wave]:
    """The same steps in fewer waves, where two that follow one another can be one."""
    found: list[Wave] = []
    for wave in waves:
        if found:
            last = found[-1]
            ground.back_to(len(ground.done) - len(last.evicts) - len(last.binds))
            both = _taken(ground, _both(last, wave))
            if both is not None:
                found[-1] = both
                continue
            _taken(ground, last)
        taken = _taken(ground, wave)
        assert taken is not None, "a wave that was legal is so again"
        found.append(taken)
    return found


def _both(first: Wave, second: Wave) -> Wave:
    return Wave(first.evicts + second.evicts, first.binds + second.binds)


def _taken(ground: Ground, wave: Wave) -> Wave | None:
    """Take a wave, its binds in the first legal order; None, and nothing, if it is not legal."""
    mark = len(ground.done)
    for key in wave.evicts:
        if key not in ground.state.where or not ground.may_evict(key):
            ground.back_to(mark)
            return None
        ground.evict(key)
    waiting, ordered = list(wave.binds), []
    while waiting:
        later = []
        for key, node in waiting:
            if key not in ground.state.where and ground.may_bind(key, node):
                ground.bind(key, node)
                ordered.append((key, node))
            else:
                later.append((key, node))
        if len(later) == len(waiting):
            ground.back_to(mark)
            return None
        waiting = later
    return Wave(wave.evicts, tuple(ordered))
