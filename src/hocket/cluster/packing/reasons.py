"""Why each step of a plan is taken, in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from hocket.cluster.formats.quantities import written
from hocket.cluster.model.pods import Pod, Pods
from hocket.cluster.packing.ground import Ground
from hocket.cluster.packing.plan import Step
from hocket.cluster.packing.waves import Wave

_ROOM = ("Insufficient", "Too many", "node(s) didn't have free ports")
_ASKED = 200
"""Of how many pods it is asked whether they could be where they are if another had stayed."""


def explained(cluster: Pods, waves: list[Wave]) -> tuple[Step, ...]:
    """The steps of waves that begin at the present of a cluster, with their reasons."""
    return tuple(_Story(cluster, waves).steps())


def described(pod: Pod) -> str:
    """A pod as people look for it: ``shop/big (priority 100, 700m cpu)``."""
    told = [f"priority {pod.priority}"] if pod.priority else []
    for name, amount in pod.requests.items():
        if amount:
            called, quantity = written(name, amount)
            told.append(f"{quantity} {called}")
    if pod.gpus:
        share = "" if pod.gpu_milli == 1000 else f" x {pod.gpu_milli / 1000:g}"
        told.append(f"{pod.gpus}{share} shared gpu")
    return f"{pod.key} ({', '.join(told)})" if told else pod.key


class _Story:
    """What becomes of every pod, and who comes where."""

    def __init__(self, cluster: Pods, waves: list[Wave]) -> None:
        self.cluster, self.waves = cluster, waves
        self.ground = Ground(cluster)
        self.names = [node.name for node in cluster.nodes]
        self.source = dict(self.ground.state.where)
        for wave in waves:
            for key in wave.evicts:
                self.ground.evict(key)
            for key, node in wave.binds:
                self.ground.bind(key, node)
        self.goal = self.ground.state.where
        touched = dict.fromkeys(key for wave in waves for key, _ in wave.binds)
        come = [self.ground.pods[key] for key in touched]
        come.sort(key=lambda pod: (-pod.priority, -pod.requests.get("milli_cpu", 0)))
        self.come = come
        self.here: dict[int, list[Pod]] = defaultdict(list)
        for pod in come:
            self.here[self.goal[pod.key]].append(pod)

    def steps(self) -> Iterator[Step]:
        """The steps in order."""
        at = dict(self.source)
        gone: dict[int, list[str]] = defaultdict(list)
        for number, wave in enumerate(self.waves):
            for key in wave.evicts:
                node = at.pop(key)
                gone[node].append(key)
                why = self._why_evicted(key, node, number)
                yield Step(act="evict", pod=key, node=self.names[node], wave=number, reason=why)
            for key, node in wave.binds:
                why = self._why_bound(key, node, gone[node])
                at[key] = node
                yield Step(act="bind", pod=key, node=self.names[node], wave=number, reason=why)

    def _why_evicted(self, key: str, node: int, number: int) -> str:
        if self.source.get(key) != node:
            return f"goes on to {self.names[self.goal[key]]}, which has room now"
        name = self.names[node]
        target = self.goal.get(key)
        third = self._third(key, number)
        if third is not None and target is not None:
            budgets = [self.cluster.budgets[b].name for b in self.ground.covering(key)]
            who = f"budget {' and '.join(budgets)} bears" if budgets else "the rules bear"
            return (
                f"moved from {name} to {self.names[third]} for the time being: {who} no order in "
                f"which it goes to {self.names[target]} at once"
            )
        what = "evicted" if target is None else f"moved from {name}"
        if self.ground.pods[key].drained:
            return f"{'evicted from' if target is None else 'moved from'} {name}, which is drained"
        newcomer, room = self._instead_of(key, node)
        if newcomer is not None:
            there = self.goal[newcomer.key]
            where = "there" if there == node and target is not None else f"on {self.names[there]}"
            return f"{what} so that {described(newcomer)} {'fits' if room else 'may run'} {where}"
        return f"{what}, as in the packing that was found" + (
            "" if target is None else f" it runs on {self.names[target]}"
        )

    def _third(self, key: str, number: int) -> int | None:
        """The node on which a pod evicted in a wave is next, if that is not where it ends."""
        for wave in self.waves[number:]:
            for bound, node in wave.binds:
                if bound == key:
                    return None if node == self.goal[key] else node
        return None

    def _instead_of(self, key: str, node: int) -> tuple[Pod | None, bool]:
        """A pod that could not be where it is in the end if another had stayed; for lack of room?

        The most important of those on the node itself, if there is one, else of the others.
        """
        filters, pod = self.ground.filters, self.ground.pods[key]
        for newcomer in self.here[node][:_ASKED]:
            if newcomer.key != key:
                why = filters.refusal(newcomer, node, gone=[newcomer], come=[pod])
                if why:
                    return newcomer, why.startswith(_ROOM)
        mark = len(self.ground.done)
        if key in self.goal:
            self.ground.evict(key)
        self.ground.bind(key, node)
        found = None
        for newcomer in self.come[:_ASKED]:
            there = self.ground.state.where[newcomer.key]
            if newcomer.key != key and filters.refusal(newcomer, there, gone=[newcomer]):
                found = newcomer
                break
        self.ground.back_to(mark)
        return found, False

    def _why_bound(self, key: str, node: int, left: list[str]) -> str:
        name = self.names[node]
        start = f"moved from {self.names[self.source[key]]}; " if key in self.source else ""
        if self.goal[key] != node:
            return f"{start}waits on {name} until {self.names[self.goal[key]]} has room"
        others = [other for other in left if other != key]
        if not others:
            return f"{start}fits on {name} as it is"
        told = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        return f"{start}fits on {name} now that {told} left it"
