"""The manifest: what it holds, and that the adapter works under exactly these rights."""

from importlib.resources import files

import pytest
import yaml

from hocket.cluster.model.pods import Pods
from tests.cluster.live.apiserver import nodes, pod, replicaset
from tests.cluster.live.apiserver.rbac import account
from tests.cluster.live.conftest import Kubectl, Serve

MANIFEST = files("hocket.cluster.live.k8s") / "rbac.yaml"


def documents():
    return list(yaml.safe_load_all(MANIFEST.read_text()))


def rules():
    return [rule for doc in documents() for rule in doc.get("rules", ())]


def granted():
    return {
        (verb, resource)
        for rule in rules()
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }


def test_it_holds_an_account_its_rights_and_a_deployment() -> None:
    kinds = [doc["kind"] for doc in documents()]
    assert kinds == [
        "Namespace",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Deployment",
    ]
    template = documents()[-1]["spec"]["template"]
    assert template["spec"]["serviceAccountName"] == "hocket"
    assert "--dry-run" in template["spec"]["containers"][0]["args"]


def test_no_right_is_more_than_it_must_be() -> None:
    words = {word for rule in rules() for words in rule.values() for word in words}
    assert "*" not in words
    assert {verb for verb, _ in granted()} == {"get", "list", "watch", "create"}
    assert {what for verb, what in granted() if verb == "create"} == {
        "pods/eviction",
        "pods/binding",
    }


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (("watch", "", "nodes", "", ""), True),
        (("create", "", "pods/eviction", "shop", "p"), True),
        (("create", "", "pods/binding", "shop", "p"), True),
        (("delete", "", "pods", "shop", "p"), False),
        (("create", "", "pods", "shop", ""), False),
        (("patch", "", "nodes", "", "n0"), False),
        (("get", "", "secrets", "shop", "s"), False),
    ],
)
def test_the_account_may(asked, allowed) -> None:
    assert account(documents(), "hocket", "hocket").may(*asked) is allowed


def test_kubectl_reads_it_and_sees_the_rights(serve: Serve, kubectl: Kubectl, certificate) -> None:
    server = serve(*nodes(1), tls=certificate)
    kubectl(server, "create", "--validate=false", "-f", str(MANIFEST))
    assert server.objects("clusterroles")[0]["metadata"]["name"] == "hocket"
    token = server.account(documents(), "hocket", "hocket")
    for words, answer in (
        (("create", "pods", "--subresource=eviction"), "yes"),
        (("create", "pods"), "no"),
        (("list", "nodes"), "yes"),
        (("delete", "pods"), "no"),
    ):
        asked = kubectl(server, "auth", "can-i", *words, "-A", token=token, check=False)
        assert asked.stdout.split()[-1] == answer


def test_following_evicting_and_binding_take_every_right_and_no_other(serve: Serve) -> None:
    pytest.importorskip("kubernetes", reason="the official client is not installed")
    from hocket.cluster.live.k8s.api import Api
    from hocket.cluster.live.k8s.mirror import Mirror

    server = serve(*nodes(2), pod("p", on="n0"), replicaset("web", 1))
    server.settle()
    api = Api(server.client(server.account(documents(), "hocket", "hocket")))
    mirror = Mirror(api)
    mirror.start()
    try:
        present = mirror.snapshot()
        assert isinstance(present, Pods) and len(present.nodes) == 2
        web = next(seen for seen in mirror.pods.values() if seen.pod.owner)
        api.bind("default", web.pod.name, web.uid, "n1")
        api.evict("default", "p", mirror.pods["default/p"].uid)
        found = api.read_pod("default", web.pod.name)
        assert found is not None and found["spec"]["nodeName"] == "n1"
        watched = server.api.store.wait(lambda: len(server.made("watch")) >= 3, 5)
        assert watched
    finally:
        mirror.close()
    assert {call.code for call in server.calls} <= {200, 201}
    assert {(call.verb, call.resource) for call in server.calls} == granted()
