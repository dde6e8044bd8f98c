"""Small clusters of pods to try things on, each with one idea."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pods import ZONE, Node, Pod, Pods
from hocket.cluster.model.rules import Budget, Spread, Taint, Term, Toleration

GIB = 2**30


def node(name: str, milli_cpu: int = 1000, **more: object) -> Node:
    """A node with 4 GiB of memory."""
    room = {"milli_cpu": milli_cpu, "memory": 4 * GIB, "pods": 110}
    return msgspec.structs.replace(Node(name=name, allocatable=room), **more)


def pods(app: str, milli_cpu: int, where: tuple[str | None, ...], **more: object) -> list[Pod]:
    """The pods of one ReplicaSet, with a quarter GiB each: one for every node, None to wait."""
    alike = Pod(
        name=app,
        requests={"milli_cpu": milli_cpu, "memory": GIB // 4},
        owner=f"ReplicaSet/{app}",
        labels={"app": app},
    )
    alike = msgspec.structs.replace(alike, **more)
    return [
        msgspec.structs.replace(alike, name=f"{app}-{i}", node=name) for i, name in enumerate(where)
    ]


def selected(app: str) -> tuple[Expression, ...]:
    """The pods of an app."""
    return (Expression(key="app", values=(app,)),)


def fragmented() -> Pods:
    """Three nodes, each two fifths full; two pods wait that no node has room for.

    One move makes room for one of them. The other can be placed by no plan.
    """
    return Pods(
        nodes=(node("a"), node("b"), node("c")),
        pods=(*pods("web", 400, ("a", "b", "c")), *pods("batch", 700, (None, None))),
    )


def important() -> Pods:
    """An important pod waits. Evicting a less important one makes room; so do two moves.

    Preemption takes a batch pod from node a, for which there is no room elsewhere. If a log moves
    to node b, the batch pod fits on node c, and all run.
    """
    return Pods(
        nodes=(node("a", 2000), node("b", 2000), node("c")),
        pods=(
            *pods("batch", 500, ("a", "a"), priority=1),
            *pods("web", 850, ("b", "b"), priority=5),
            *pods("log", 300, ("c", "c"), priority=1),
            *pods("database", 1500, (None,), priority=10),
        ),
    )


def budget() -> Pods:
    """Room for a pod takes the moves of two others, which a budget allows one after the other."""
    return Pods(
        nodes=(node("a"), node("b"), node("c")),
        pods=(
            *pods("web", 300, ("a", "a")),
            *pods("cache", 500, ("b", "c"), protected=True, protection="it has a local volume"),
            *pods("batch", 900, (None,)),
        ),
        budgets=(Budget(name="web", selector=selected("web"), max_unavailable=1),),
        grace=1000,
    )


def apart() -> Pods:
    """Replicas that keep apart, and a node for those who tolerate its taint.

    Only node c is free of the store, but the cache is in the way; the cache may go to node d.
    """
    store = Term(selector=selected("store"))
    spot = Taint(key="spot", value="true")
    return Pods(
        nodes=(node("a"), node("b"), node("c"), node("d", taints=(spot,))),
        pods=(
            *pods("store", 600, ("a", "b", None), apart=(store,)),
            *pods("cache", 500, ("c",), tolerations=(Toleration(key="spot", op="Exists"),)),
        ),
    )


def zones() -> Pods:
    """Replicas spread over two zones; the next one must go where another app is in the way."""
    spread = Spread(topology=ZONE, selector=selected("web"))
    east, west = {ZONE: "east"}, {ZONE: "west"}
    return Pods(
        nodes=(node("e1", labels=east), node("e2", labels=east), node("w1", labels=west)),
        pods=(
            *pods("web", 400, ("e1", "w1", "e2", None), spread=(spread,)),
            *pods("report", 500, ("w1",)),
        ),
    )


def shares() -> Pods:
    """Pods that share GPUs: two halves are free, on two GPUs, and a pod wants a whole one."""
    return Pods(
        nodes=(node("a", 8000, gpus=1), node("b", 8000, gpus=1)),
        pods=(
            *pods("infer", 500, ("a", "b"), gpus=1, gpu_milli=500),
            *pods("train", 2000, (None,), gpus=1),
        ),
    )


def protected() -> Pods:
    """The smallest pod in the way is protected; moving another one makes room too."""
    return Pods(
        nodes=(node("a"), node("b"), node("c")),
        pods=(
            *pods("local", 400, ("a",), protected=True, protection="it has a local volume"),
            *pods("web", 500, ("b",)),
            *pods("log", 450, ("c",)),
            *pods("batch", 900, (None,)),
        ),
    )


EXAMPLES: dict[str, Callable[[], Pods]] = {
    "fragmented": fragmented,
    "important": important,
    "budget": budget,
    "apart": apart,
    "zones": zones,
    "shares": shares,
    "protected": protected,
}
"""By name, in order of difficulty."""
