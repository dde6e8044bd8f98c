"""What if there were one node more, one less, or one pod less."""

from __future__ import annotations

import msgspec
import pytest

from hocket.cluster.generate import examples
from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pods import HOSTNAME, ZONE, Node, Pod, Pods
from hocket.cluster.model.rules import Taint
from hocket.cluster.packing.edits import EDITS, add_node, drain, without
from hocket.cluster.simulate.pods import simulate
from hocket.core.errors import InputError, UnknownName, UserError

SMALL = Node(name="s1", allocatable={"milli_cpu": 1000}, labels={ZONE: "z1", HOSTNAME: "s1"})
BIG = Node(name="b1", allocatable={"milli_cpu": 4000}, taints=(Taint(key="big"),), cordoned=True)


def world(*nodes: Node) -> Pods:
    return Pods(nodes=nodes or (SMALL, BIG), pods=(Pod(name="a", node="s1"), Pod(name="b")))


def test_a_node_like_another() -> None:
    edited = add_node(world(), "s2=like:s1")
    assert edited.nodes[:2] == (SMALL, BIG)
    assert edited.nodes[2].allocatable == SMALL.allocatable
    assert edited.nodes[2].described[HOSTNAME] == "s2"
    assert edited.nodes[2].label(ZONE) == "z1"
    ready = add_node(world(), "b2=like:b1").nodes[2]
    assert ready.taints == BIG.taints
    assert not ready.cordoned
    assert edited.remarks == ("what if there were a node s2 like s1",)
    assert edited.pods == world().pods


def test_a_node_like_most_and_else_like_the_largest() -> None:
    assert add_node(world(), "n3").nodes[2].allocatable == BIG.allocatable
    more = msgspec.structs.replace(SMALL, name="s2")
    assert add_node(world(SMALL, BIG, more), "n3").nodes[3].allocatable == SMALL.allocatable


def test_a_node_of_amounts() -> None:
    node = add_node(world(), "n3=cpu=8,memory=32Gi, nvidia.com/gpu=2").nodes[2]
    expected = {"milli_cpu": 8000, "memory": 32 * 2**30, "nvidia.com/gpu": 2}
    assert node == Node(name="n3", allocatable=expected)


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("", UserError, "names no node"),
        ("=like:s1", UserError, "names no node"),
        ("s1", UserError, "there is a node 's1' already"),
        ("n3=like:s7", UnknownName, "There is s1, b1"),
        ("n3=cpu", InputError, "is no amount"),
        ("n3=cpu=,memory=1", InputError, "is no amount"),
        ("n3=cpu=lots", InputError, "lots"),
        ("n3=cpu=-1", InputError, "-1"),
        ("n3=memory=1Xi", InputError, "1Xi"),
    ],
)
def test_nodes_that_cannot_be(text: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        add_node(world(), text)


def test_drained_pods_have_to_leave_their_node() -> None:
    pods = (
        Pod(name="free", node="s1"),
        Pod(name="kept", node="s1", protected=True, protection="uses local storage"),
        Pod(name="agent", node="s1", owner="DaemonSet/agent"),
        Pod(name="elsewhere", node="b1"),
    )
    before = Pods(nodes=(SMALL, BIG), pods=pods)
    after = drain(before, "s1")
    assert [pod.node for pod in after.pods] == ["s1", "s1", "s1", "b1"]
    assert [pod.drained for pod in after.pods] == [True, False, False, False]
    assert [node.cordoned for node in after.nodes] == [True, True]
    (remark,) = after.notes()
    assert remark == (
        "what if s1 were drained: 1 of 3 pods leave it; there stay default/kept (uses local "
        "storage), default/agent (made by a DaemonSet)"
    )
    with pytest.raises(UnknownName, match="There is s1, b1"):
        drain(before, "s2")


def test_nothing_is_placed_on_a_drained_node() -> None:
    from hocket.cluster.policies.kube_scheduler import KubeScheduler

    after = drain(examples.fragmented(), "a")
    timeline = simulate(after, KubeScheduler())
    assert "a" not in {span.lane for span in timeline.spans("run") if span.start < span.end}


def test_without_a_pod_by_key_or_name() -> None:
    two = Pods(
        nodes=(SMALL,),
        pods=(Pod(name="a"), Pod(name="b"), Pod(name="b", namespace="shop")),
    )
    assert [pod.key for pod in without(two, "a").pods] == ["default/b", "shop/b"]
    assert [pod.key for pod in without(two, "shop/b").pods] == ["default/a", "default/b"]
    with pytest.raises(UnknownName, match="NAMESPACE/NAME"):
        without(two, "b")
    with pytest.raises(UnknownName, match="did you mean 'default/a'"):
        without(two, "defalt/a")


def test_edits_change_nothing_in_place_and_are_sound() -> None:
    before = examples.fragmented()
    copy = msgspec.convert(msgspec.to_builtins(before), Pods)
    after = EDITS["without"](EDITS["drain"](EDITS["add-node"](before, "d"), "a"), "batch-0")
    assert before == copy
    assert list(after.problems()) == []
    assert len(after.notes()) == 3


def test_a_label_that_says_who_a_node_is_does_not_go_to_its_copy() -> None:
    after = add_node(world(), "s2=like:s1")
    pod = Pod(name="x", selector=(Expression(key=HOSTNAME, values=("s1",)),))
    edited = msgspec.structs.replace(after, pods=(*after.pods, pod))
    names = [node.name for node in edited.nodes if node.described[HOSTNAME] == "s1"]
    assert names == ["s1"]
