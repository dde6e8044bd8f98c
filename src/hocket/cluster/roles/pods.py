"""The roles of a pod scheduler: it places one pod at a time, and may plan for all of them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from hocket.cluster.model.pods import Pod, Pods
from hocket.cluster.packing.plan import Plan
from hocket.cluster.state import State


class View:
    """A cluster as a policy sees it. Everything is read-only.

    - `now`: the time in ticks
    - `scenario`: nodes, budgets and time unit (its `pods` are not for policies: they hold arrivals)
    - `state`: who runs where and what is free; a pod that is leaving still holds its node
    - `waiting`: pods that run nowhere, the most important first, then those that wait longest
    - `failed`: of these, the pods that were tried since and found no place
    - `leaving`: keys of pods that were evicted and have not left their node
    - `changed`: when a pod last came, was bound, or left
    - `nominated`: by pod, the node on which room is being made for it by preemption
    - `started`: since when each pod has been on its node; 0 where it is not known
    """

    __slots__ = (
        "changed",
        "failed",
        "leaving",
        "nominated",
        "now",
        "scenario",
        "started",
        "state",
        "waiting",
    )

    def __init__(self, scenario: Pods, state: State) -> None:
        """A cluster in which nothing waits."""
        self.now = self.changed = 0
        self.scenario = scenario
        self.state = state
        self.waiting: tuple[Pod, ...] = ()
        self.failed: tuple[Pod, ...] = ()
        self.leaving: frozenset[str] = frozenset()
        self.nominated: dict[str, str] = {}
        self.started: dict[str, int] = {}

    def snapshot(self) -> Pods:
        """The present as a scenario of its own: running pods with their node, then the waiting."""
        return self.state.snapshot(self.scenario, self.waiting)


class Bind(NamedTuple):
    """Run the pod on a node."""

    node: str
    reason: str = ""


class Preempt(NamedTuple):
    """Evict `victims` (keys) from a node, so that the pod fits there when they are gone."""

    node: str
    victims: tuple[str, ...]
    reason: str = ""


class Wait(NamedTuple):
    """There is no place for the pod now; it is tried again after a change, and its back-off."""

    reason: str = ""


class Again(NamedTuple):
    """Ask for a plan again, at the latest so many ticks from now; None: when something changes."""

    after: int | None = None


class Placing(Protocol):
    """The role of a scheduler that places pods one by one."""

    def place(self, view: View, pod: Pod) -> Bind | Preempt | Wait:
        """Where a waiting pod goes now."""


class Planning(Placing, Protocol):
    """The role of a scheduler that also rearranges the cluster where pods stay pending."""

    def plan(self, view: View) -> Plan | Again:
        """A plan for all, once no waiting pod could be placed; asked while any is in `failed`.

        While a plan is carried out nothing else is placed.
        """
