"""Objects on their way through the official client's types stay what they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hocket.cluster.formats import kubectl
from hocket.cluster.formats.kubernetes import budget_of, node_of, pod_of
from hocket.cluster.formats.kubernetes_write import write
from hocket.cluster.model.pods import Pods
from tests.cluster.formats.objects import listed, node, pod
from tests.cluster.formats.test_manifests import SHOP

client = pytest.importorskip("kubernetes.client")

TYPES = {"Node": "V1Node", "Pod": "V1Pod", "PodDisruptionBudget": "V1PodDisruptionBudget"}


class _Answer:
    """An answer of the API server, as far as the client looks at it."""

    def __init__(self, body: Any) -> None:
        self.data = json.dumps(body)


def through(item: Any) -> Any:
    """The object as one of the client's, and as plain data again."""
    api = client.ApiClient()
    answer = _Answer(item)
    try:
        made = api.deserialize(answer, TYPES[item["kind"]])
    except TypeError:  # newer clients take the text itself
        made = api.deserialize(answer.data, TYPES[item["kind"]], "application/json")
    return api.sanitize_for_serialization(made)


def test_written_objects_pass_through_the_clients_types() -> None:
    cluster = kubectl.read(SHOP, "shop.yaml")
    items = [through(one) for one in json.loads(write(cluster))["items"] if one["kind"] in TYPES]
    found = Pods(
        name=cluster.name,
        nodes=tuple(node_of(one) for one in items if "allocatable" in one.get("status", {})),
        pods=tuple(p for one in items if "containers" in one["spec"] and (p := pod_of(one))),
        budgets=tuple(budget_of(one) for one in items if "selector" in one["spec"]),
        remarks=cluster.remarks,
    )
    assert found.nodes == cluster.nodes
    assert found.budgets == cluster.budgets
    assert found.pods == kubectl.read(write(cluster), "x").pods


def test_a_running_pod_and_its_node() -> None:
    running = pod("p0", node="n0")
    running["metadata"]["ownerReferences"][0] |= {"apiVersion": "apps/v1", "uid": "1"}
    running["status"] = {"phase": "Running", "containerStatuses": []}
    found = pod_of(through(running))
    assert found == pod_of(running)
    assert found is not None
    assert node_of(through(node(taints=[{"key": "a", "effect": "NoExecute"}]))) == node_of(
        node(taints=[{"key": "a", "effect": "NoExecute"}])
    )
    assert len(kubectl.read(json.dumps(listed(node(), running)), "x").pods) == 1
