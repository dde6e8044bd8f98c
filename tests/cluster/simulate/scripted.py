"""A scheduler that does what it is told, and small clusters to try the rules on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.packing.plan import Plan, Step
from hocket.cluster.roles.pods import Again, Bind, View, Wait
from hocket.cluster.simulate.pods import simulate
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline

Place = Callable[[View, Pod], Any]
Ask = Callable[[View], Any]


def first_fit(view: View, pod: Pod) -> Bind | Wait:
    """The first node with room; nothing but room is looked at."""
    for node, enough in zip(view.state.nodes, view.state.room(pod), strict=True):
        if enough:
            return Bind(node.name, "first fit")
    return Wait("no room")


class Scripted(Policy, frozen=True):
    """Places by one function, and plans by another if it is given."""

    name: ClassVar[str] = "cluster/scripted"
    problems: ClassVar[tuple[str, ...]] = ("cluster/pods",)

    place: Any = first_fit
    ask: Any = None

    def begin(self, scenario: Pods, streams: Streams) -> Any:
        """See Policy.begin."""
        return _Planning(self.place, self.ask) if self.ask else _Placing(self.place)


class _Placing:
    def __init__(self, place: Place) -> None:
        self.place = place


class _Planning(_Placing):
    def __init__(self, place: Place, ask: Ask) -> None:
        super().__init__(place)
        self.plan = ask


def play(cluster: Pods, place: Place = first_fit, ask: Ask | None = None) -> Timeline:
    """A run."""
    return simulate(cluster, Scripted(place=place, ask=ask))


def once(*steps: Step, seconds: float = 0.0) -> Ask:
    """A planner with one plan to give."""
    plans = [Plan(verdict="better", steps=steps, seconds=seconds)]
    return lambda view: plans.pop() if plans else Again()


def points(timeline: Timeline, *kinds: str) -> list[tuple[int, str, str, str]]:
    """Time, kind, pod and node of the points of these kinds."""
    return [
        (p.time, p.kind, p.group.removeprefix("default/"), p.lane)
        for p in timeline.points()
        if p.kind in kinds
    ]


def nodes(*milli_cpu: int) -> tuple[Node, ...]:
    """Nodes n0, n1, ... of so many thousandths of a core."""
    return tuple(
        Node(name=f"n{j}", allocatable={"milli_cpu": cpu}) for j, cpu in enumerate(milli_cpu)
    )


def pod(name: str, cpu: int = 1000, **fields: Any) -> Pod:
    """A pod."""
    return Pod(name=name, requests={"milli_cpu": cpu}, **fields)


def cluster(machines: tuple[Node, ...], *pods: Pod, **fields: Any) -> Pods:
    """A cluster whose tick is a second."""
    return Pods(**({"time_unit": "s"} | fields), nodes=machines, pods=pods)
