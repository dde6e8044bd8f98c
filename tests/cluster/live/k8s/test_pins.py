"""Which pod gets which node of a plan, whatever the pods are called by now."""

import msgspec
import pytest

from hocket.cluster.live.k8s.pins import FORGOTTEN, Pins, signature
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.packing.plan import Plan, Step

NODES = tuple(Node(name=f"n{i}", allocatable={"milli_cpu": 1000}) for i in range(3))


def web(name, **more):
    owner = more.pop("owner", "ReplicaSet/web")
    return Pod(name=name, owner=owner, requests={"milli_cpu": 400}, **more)


def plan(*steps):
    acts = {"-": "evict", "+": "bind"}
    return Plan(
        verdict="better",
        steps=tuple(
            Step(act=acts[sign], pod=f"default/{pod}", node=node) for sign, pod, node in steps
        ),
    )


def cluster_of(*pods):
    return Pods(name="c", nodes=NODES, pods=pods)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"name": "b"}, True),
        ({"node": "n1"}, True),
        ({"labels": {"x": "y"}}, True),
        ({"owner": "ReplicaSet/api"}, False),
        ({"requests": {"milli_cpu": 1}}, False),
        ({"namespace": "other"}, False),
        ({"priority": 1}, False),
    ],
)
def test_pods_of_one_owner_and_template_are_alike(change, same) -> None:
    pod = web("a")
    assert (signature(msgspec.structs.replace(pod, **change)) == signature(pod)) is same


def test_pods_without_owner_are_like_none() -> None:
    assert signature(web("a", owner="")) == b""


def test_successors_get_the_nodes_of_moved_pods_one_each() -> None:
    cluster = cluster_of(web("a", node="n0"), web("b", node="n1"))
    steps = plan(("-", "a", "n0"), ("-", "b", "n1"), ("+", "a", "n1"), ("+", "b", "n2"))
    pins = Pins(steps, cluster)
    assert pins.node_for(web("x")) == "n1"
    assert pins.node_for(web("y")) == "n2"
    assert pins.node_for(web("x")) == "n1"
    assert pins.node_for(web("z")) == ""
    assert pins.node_for(web("z", owner="ReplicaSet/api")) == ""


def test_a_pod_without_owner_is_known_by_its_name_alone() -> None:
    big = Pod(name="big", requests={"milli_cpu": 900})
    pins = Pins(plan(("+", "big", "n2")), cluster_of(big))
    assert not pins.has(msgspec.structs.replace(big, name="bigger"))
    assert pins.has(big) and pins.node_for(big) == "n2"


def test_a_waiting_pod_may_be_made_anew_too() -> None:
    pins = Pins(plan(("+", "a", "n2")), cluster_of(web("a")))
    assert pins.node_for(web("anew")) == "n2"
    assert not pins.has(web("a"))


def test_a_name_goes_before_a_likeness() -> None:
    cluster = cluster_of(web("a", node="n0"), web("b"))
    pins = Pins(plan(("-", "a", "n0"), ("+", "a", "n1"), ("+", "b", "n0")), cluster)
    assert pins.node_for(web("b")) == "n0"
    assert pins.node_for(web("c")) == "n1"


TWO = (web("a", node="n0"), web("b", node="n0"))
MOVES = plan(("-", "a", "n0"), ("-", "b", "n0"), ("+", "a", "n1"), ("+", "b", "n2"))


OTHER = Pod(name="other")


def kept(pins, pod=OTHER, running=()):
    return [one.node for one in pins.kept(pod, running)]


def test_room_is_kept_for_those_who_are_still_to_come() -> None:
    pins = Pins(MOVES, cluster_of(*TWO))
    assert kept(pins) == ["n1", "n2"]
    assert kept(pins, web("x")) == ["n2"]
    pins.node_for(web("x"))
    assert kept(pins) == ["n1", "n2"]  # it has been told where to go, and is not there yet
    assert kept(pins, running={"default/x"}) == ["n2"]
    names = {one.key for one in pins.kept(OTHER, ())}
    assert len(names | {pod.key for pod in TWO}) == 4


def test_a_pod_that_vanishes_gives_its_node_back() -> None:
    clock = Clock()
    steps = plan(("-", "a", "n0"), ("+", "a", "n1"))
    pins = Pins(steps, cluster_of(web("a", node="n0")), clock=clock)
    pins.node_for(web("x"))
    pins.settle(cluster_of())
    assert not pins.has(web("y"))  # the cluster may not show it yet
    clock.now = FORGOTTEN + 1
    pins.settle(cluster_of(web("x")))
    assert not pins.has(web("y"))
    pins.settle(cluster_of())
    assert pins.node_for(web("y")) == "n1"


def test_places_that_others_have_filled_are_taken() -> None:
    pins = Pins(MOVES, cluster_of(*TWO))
    stranger = Pod(name="stranger", node="n1")
    pins.settle(cluster_of(*TWO, stranger))
    assert kept(pins) == ["n1", "n2"]
    pins.settle(cluster_of(stranger, web("x", node="n1"), web("y")))
    assert kept(pins, running={"default/x"}) == ["n2"]
    assert pins.node_for(web("y")) == "n2"


def test_a_pod_that_was_there_before_fills_no_place() -> None:
    old = web("old", node="n1")
    pins = Pins(MOVES, cluster_of(*TWO, old))
    pins.settle(cluster_of(*TWO, old))
    assert kept(pins, running={"default/old"}) == ["n1", "n2"]
    pins.settle(cluster_of(*TWO, old, web("new", node="n1")))
    assert kept(pins, running={"default/old", "default/new"}) == ["n2"]


def test_a_pod_that_keeps_its_name_fills_its_place() -> None:
    pins = Pins(MOVES, cluster_of(*TWO))
    pins.settle(cluster_of(web("a", node="n1"), web("b", node="n0")))
    assert kept(pins, running={"default/a", "default/b"}) == ["n2"]
