"""The real kubectl against the test server."""

import json

from tests.cluster.live.apiserver import budget, nodes, pod, replicaset
from tests.cluster.live.conftest import Kubectl, Serve


def test_get(serve: Serve, kubectl: Kubectl, certificate) -> None:
    server = serve(*nodes(2), pod("p", on="n1"), pod("q", namespace="other"), tls=certificate)
    table = kubectl(server, "get", "nodes").stdout.splitlines()
    assert table[0].split()[:2] == ["NAME", "STATUS"]
    assert [line.split()[:2] for line in table[1:]] == [["n0", "Ready"], ["n1", "Ready"]]
    wide = kubectl(server, "get", "pods", "-A", "-o", "wide").stdout
    assert "NODE" in wide and "n1" in wide and "other" in wide
    found = json.loads(kubectl(server, "get", "nodes,pods", "-A", "-o", "json").stdout)
    assert [item["kind"] for item in found["items"]] == ["Node", "Node", "Pod", "Pod"]
    by_field = ("get", "pods", "--field-selector", "spec.nodeName=n1", "-o", "name")
    assert kubectl(server, *by_field).stdout == "pod/p\n"
    assert "not found" in kubectl(server, "get", "pod", "none", check=False).stderr


def test_describe(serve: Serve, kubectl: Kubectl, certificate) -> None:
    server = serve(*nodes(1), pod("p", on="n0"), tls=certificate)
    assert "n0" in kubectl(server, "describe", "pod", "p").stdout
    assert "Allocated resources" in kubectl(server, "describe", "node", "n0").stdout


def test_manifests_are_created_and_deleted(serve: Serve, kubectl: Kubectl, certificate, tmp_path):
    server = serve(*nodes(1), tls=certificate)
    manifest = tmp_path / "set.json"
    manifest.write_text(json.dumps({**replicaset("web", 2), "status": {}}))
    kubectl(server, "create", "--validate=false", "-f", str(manifest))
    server.settle()
    assert len(server.placed()) == 2
    kubectl(server, "label", "node", "n0", "disk=ssd")
    assert server.objects("nodes")[0]["metadata"]["labels"]["disk"] == "ssd"
    kubectl(server, "delete", "replicaset", "web", "--wait=false")
    server.settle()
    assert server.placed() == {}


def test_drain_evicts_and_cordons(serve: Serve, kubectl: Kubectl, certificate) -> None:
    server = serve(
        *nodes(2),
        replicaset("web", 3),
        budget("b", "web", minAvailable=0),
        scheduler=True,
        tls=certificate,
    )
    server.settle()
    assert set(server.placed().values()) == {"n0"}
    done = kubectl(server, "drain", "n0", "--timeout=20s").stdout
    assert done.count("evicting pod") == 3
    server.settle()
    assert set(server.placed().values()) == {"n1"}
    assert len(server.made("create", "pods/eviction")) == 3
    kubectl(server, "uncordon", "n0")
    server.settle()
    assert not server.objects("nodes")[0]["spec"].get("taints")


def test_drain_meets_the_budget(serve: Serve, kubectl: Kubectl, certificate) -> None:
    server = serve(
        *nodes(1),
        pod("p", labels={"app": "web"}, on="n0"),
        budget("b", "web", minAvailable=1),
        tls=certificate,
    )
    server.settle()
    done = kubectl(server, "drain", "n0", "--force", "--timeout=1s", check=False)
    assert done.returncode
    assert "disruption budget" in done.stderr
    assert server.placed() == {"default/p": "n0"}


def test_rights_as_kubectl_sees_them(serve: Serve, kubectl: Kubectl, certificate) -> None:
    server = serve(tls=certificate)
    token = server.account([], "default", "nobody")
    assert kubectl(server, "auth", "can-i", "create", "pods").stdout == "yes\n"
    refused = kubectl(server, "auth", "can-i", "create", "pods", token=token, check=False)
    assert refused.stdout == "no\n"
    listed = kubectl(server, "get", "pods", token=token, check=False)
    assert "Forbidden" in listed.stderr
