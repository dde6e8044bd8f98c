"""What if: a cluster with one node more, with one drained, or without a pod."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from hocket.cluster.formats.quantities import expand
from hocket.cluster.model.pods import HOSTNAME, NAME, Node, Pod, Pods
from hocket.core.errors import InputError, Problem, UnknownName, UserError


def add_node(cluster: Pods, text: str) -> Pods:
    """The cluster with one more node, empty and ready.

    `text` is ``NAME``, a node like most of those there are (of several equally common kinds, the
    largest); ``NAME=like:NODE``, a node like that one; or ``NAME=cpu=8,memory=32Gi``, one that has
    these amounts and neither labels nor taints. Raises UnknownName for a NODE that there is not,
    UserError for a name that is taken or missing, InputError for amounts that cannot be read.
    """
    name, _, shape = text.partition("=")
    name = name.strip()
    if not name:
        raise UserError(f"--add-node {text!r} names no node; give NAME, NAME=like:NODE or amounts")
    if any(node.name == name for node in cluster.nodes):
        raise UserError(f"there is a node {name!r} already; give the new one another name")
    if shape and not shape.startswith("like:"):
        node, told = _of_amounts(name, shape), f"with {shape}"
    else:
        model = _named(cluster, shape.removeprefix("like:")) if shape else _commonest(cluster)
        node, told = _copy(model, name), f"like {model.name}"
    remark = f"what if there were a node {name} {told}"
    return _changed(cluster, remark, nodes=(*cluster.nodes, node))


def drain(cluster: Pods, node: str) -> Pods:
    """The cluster with a node cordoned, and pods on it that have to leave it.

    Pods that are protected or made by a DaemonSet stay, and a remark tells which. Raises
    UnknownName.
    """
    _named(cluster, node)
    here = [pod for pod in cluster.pods if pod.node == node]
    staying = [pod for pod in here if pod.protected or pod.owner.startswith("DaemonSet/")]
    leaving = {pod.key for pod in here} - {pod.key for pod in staying}
    remark = f"what if {node} were drained: {len(leaving)} of {len(here)} pods leave it"
    if staying:
        remark += f"; there stay {', '.join(_why(pod) for pod in staying)}"
    return _changed(
        cluster,
        remark,
        nodes=tuple(
            msgspec.structs.replace(other, cordoned=True) if other.name == node else other
            for other in cluster.nodes
        ),
        pods=tuple(
            msgspec.structs.replace(pod, drained=True) if pod.key in leaving else pod
            for pod in cluster.pods
        ),
    )


def without(cluster: Pods, pod: str) -> Pods:
    """The cluster without a pod, by its key ``namespace/name``, or a name that only one pod has.

    Raises UnknownName.
    """
    found = [known.key for known in cluster.pods if pod in (known.key, known.name)]
    if len(found) > 1:
        found = [key for key in found if key == pod]
    if not found:
        hint = "A pod is named NAMESPACE/NAME, or NAME where only one has it."
        raise UnknownName("pod", pod, (known.key for known in cluster.pods), hint)
    pods = tuple(known for known in cluster.pods if known.key != found[0])
    return _changed(cluster, f"what if there were no pod {found[0]}", pods=pods)


EDITS: dict[str, Callable[[Pods, str], Pods]] = {
    "add-node": add_node,
    "drain": drain,
    "without": without,
}
"""The questions by the name of their option on the command line."""


def _changed(cluster: Pods, remark: str, **fields: Any) -> Pods:
    return msgspec.structs.replace(cluster, remarks=(*cluster.remarks, remark), **fields)


def _named(cluster: Pods, name: str) -> Node:
    for node in cluster.nodes:
        if node.name == name:
            return node
    raise UnknownName("node", name, (node.name for node in cluster.nodes))


def _copy(node: Node, name: str) -> Node:
    labels = {key: value for key, value in node.labels.items() if key not in (HOSTNAME, NAME)}
    return msgspec.structs.replace(node, name=name, labels=labels, cordoned=False, down=False)


def _commonest(cluster: Pods) -> Node:
    """One of the kind of which there are most; of several kinds the one with most cores."""

    def kind(node: Node) -> str:
        return repr((sorted(node.allocatable.items()), node.gpus, node.taints))

    count = Counter(kind(node) for node in cluster.nodes)

    def rank(node: Node) -> tuple[int, int, int]:
        amounts = node.allocatable
        return count[kind(node)], amounts.get("milli_cpu", 0), amounts.get("memory", 0)

    return max(cluster.nodes, key=rank)


def _of_amounts(name: str, text: str) -> Node:
    amounts: dict[str, str] = {}
    for part in text.split(","):
        resource, equals, amount = (piece.strip() for piece in part.partition("="))
        if not (resource and equals and amount):
            problem = Problem(name, f"{part!r} is no amount; write as in cpu=8,memory=32Gi")
            raise InputError("--add-node", [problem])
        amounts[resource] = amount
    try:
        read = expand({"nodes": [{"name": name, "allocatable": amounts}]})
        return msgspec.convert(read["nodes"][0], Node)
    except msgspec.ValidationError as error:
        raise InputError("--add-node", [Problem(name, str(error))]) from None
    except InputError as error:
        problems = [Problem(f"{name}={text}", problem.message) for problem in error.problems]
        raise InputError("--add-node", problems) from None


def _why(pod: Pod) -> str:
    reason = pod.protection or ("protected" if pod.protected else "made by a DaemonSet")
    return f"{pod.key} ({reason})"
