"""The official Python client against the test server."""

import pytest

pytest.importorskip("kubernetes", reason="the official client is not installed")

from kubernetes import client, config, watch
from kubernetes.client import ApiException

from tests.cluster.live.apiserver import budget, nodes, pod, replicaset
from tests.cluster.live.conftest import Serve


def eviction(name):
    return client.V1Eviction(metadata=client.V1ObjectMeta(name=name, namespace="default"))


def test_objects_are_read_as_their_types(serve: Serve) -> None:
    server = serve(*nodes(2, cpu="4"), pod("p", cpu="250m", on="n1"))
    core = client.CoreV1Api(server.client())
    listed = core.list_node()
    assert [node.metadata.name for node in listed.items] == ["n0", "n1"]
    assert listed.items[0].status.allocatable["cpu"] == "4"
    found = core.read_namespaced_pod("p", "default")
    assert found.spec.containers[0].resources.requests == {"cpu": "250m", "memory": "64Mi"}
    assert client.VersionApi(server.client()).get_code().git_version.startswith("v1.")


def test_a_kubeconfig_leads_there(serve: Serve, tmp_path, certificate) -> None:
    for tls in (None, certificate):
        server = serve(*nodes(1), tls=tls)
        path = server.kubeconfig(tmp_path / "kubeconfig")
        found = client.CoreV1Api(config.new_client_from_config(str(path))).list_node()
        assert len(found.items) == 1


def test_bind_evict_and_watch(serve: Serve) -> None:
    server = serve(*nodes(1), replicaset("web", 1))
    server.settle()
    core = client.CoreV1Api(server.client())
    start = core.list_namespaced_pod("default")
    name = start.items[0].metadata.name
    target = client.V1ObjectReference(kind="Node", name="n0")
    body = client.V1Binding(metadata=client.V1ObjectMeta(name=name), target=target)
    core.create_namespaced_binding("default", body, _preload_content=False)
    server.settle()
    core.create_namespaced_pod_eviction(name, "default", eviction(name))
    server.settle()
    told = [
        (event["type"], event["object"].metadata.name == name)
        for event in watch.Watch().stream(
            core.list_namespaced_pod,
            "default",
            resource_version=start.metadata.resource_version,
            timeout_seconds=1,
        )
    ]
    assert told[:2] == [("MODIFIED", True), ("MODIFIED", True)]
    assert ("DELETED", True) in told and ("ADDED", False) in told


def test_a_budget_says_429(serve: Serve) -> None:
    server = serve(
        *nodes(1), pod("p", labels={"app": "web"}, on="n0"), budget("b", "web", minAvailable=1)
    )
    server.settle()
    core = client.CoreV1Api(server.client())
    with pytest.raises(ApiException) as caught:
        core.create_namespaced_pod_eviction("p", "default", eviction("p"))
    assert caught.value.status == 429
    assert "disruption budget" in caught.value.body


def test_an_old_version_raises_410(serve: Serve) -> None:
    server = serve(pod("p"))
    core = client.CoreV1Api(server.client())
    version = core.list_namespaced_pod("default").metadata.resource_version
    server.compact()
    stream = watch.Watch().stream(
        core.list_namespaced_pod, "default", resource_version=version, timeout_seconds=1
    )
    with pytest.raises(ApiException) as caught:
        list(stream)
    assert caught.value.status == 410


def test_leases_are_guarded_by_versions(serve: Serve) -> None:
    server = serve()
    api = client.CoordinationV1Api(server.client())
    spec = client.V1LeaseSpec(holder_identity="one", lease_duration_seconds=15)
    lease = client.V1Lease(metadata=client.V1ObjectMeta(name="l"), spec=spec)
    made = api.create_namespaced_lease("kube-system", lease)
    made.spec.holder_identity = "two"
    api.replace_namespaced_lease("l", "kube-system", made)
    with pytest.raises(ApiException) as caught:
        api.replace_namespaced_lease("l", "kube-system", made)
    assert caught.value.status == 409


def test_patches_and_status(serve: Serve) -> None:
    server = serve(*nodes(1), pod("p"))
    core = client.CoreV1Api(server.client())
    core.patch_node("n0", {"spec": {"unschedulable": True}})
    assert core.read_node("n0").spec.unschedulable
    waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    core.patch_namespaced_pod_status("p", "default", {"status": {"conditions": [waits]}})
    (condition,) = core.read_namespaced_pod("p", "default").status.conditions
    assert condition.reason == "Unschedulable"
