"""The authoriser of the test server: what RBAC manifests grant, and nothing else."""

import pytest

from tests.cluster.live.apiserver import nodes, pod
from tests.cluster.live.apiserver.asking import ask
from tests.cluster.live.apiserver.rbac import account
from tests.cluster.live.conftest import Serve

SUBJECT = {"kind": "ServiceAccount", "namespace": "tools", "name": "reader"}


def role(kind, name, rules, namespace=None):
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"kind": kind, "metadata": meta, "rules": rules}


def binding(kind, role_kind, name, namespace=None):
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    ref = {"kind": role_kind, "name": name}
    return {"kind": kind, "metadata": meta, "roleRef": ref, "subjects": [SUBJECT]}


def rule(groups, resources, verbs, **more):
    return {"apiGroups": groups, "resources": resources, "verbs": verbs, **more}


MANIFESTS = [
    role("ClusterRole", "see", [rule([""], ["pods"], ["get", "list"])]),
    binding("ClusterRoleBinding", "ClusterRole", "see"),
    role("Role", "act", [rule([""], ["pods/eviction"], ["create"])], "default"),
    binding("RoleBinding", "Role", "act", "default"),
    role("ClusterRole", "one", [rule([""], ["nodes"], ["patch"], resourceNames=["n0"])]),
    binding("ClusterRoleBinding", "ClusterRole", "one"),
    role("ClusterRole", "unbound", [rule(["*"], ["*"], ["*"])]),
    {"kind": "Namespace", "metadata": {"name": "tools"}},
]


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (("list", "", "pods", "", ""), True),
        (("get", "", "pods", "kube-system", "p"), True),
        (("watch", "", "pods", "", ""), False),
        (("list", "apps", "pods", "", ""), False),
        (("create", "", "pods/eviction", "default", "p"), True),
        (("create", "", "pods/eviction", "kube-system", "p"), False),
        (("create", "", "pods", "default", ""), False),
        (("patch", "", "nodes", "", "n0"), True),
        (("patch", "", "nodes", "", "n1"), False),
    ],
)
def test_rights(asked, allowed) -> None:
    assert account(MANIFESTS, "tools", "reader").may(*asked) is allowed


def test_others_have_no_rights() -> None:
    assert not account(MANIFESTS, "tools", "other").may("list", "", "pods", "", "")


def test_a_call_without_the_right_is_forbidden(serve: Serve) -> None:
    server = serve(*nodes(1), pod("p"))
    token = server.account(MANIFESTS, "tools", "reader")
    assert ask(server, "GET", "/api/v1/pods", token=token).code == 200
    assert ask(server, "GET", "/apis", token=token).code == 200
    got = ask(server, "GET", "/api/v1/nodes", token=token)
    assert (got.code, got.body["reason"]) == (403, "Forbidden")
    user = "system:serviceaccount:tools:reader"
    assert f'User "{user}" cannot list resource "nodes"' in got.body["message"]
    assert "at the cluster scope" in got.body["message"]


def test_a_user_may_ask_what_it_may(serve: Serve) -> None:
    server = serve()
    token = server.account(MANIFESTS, "tools", "reader")
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    for verb, allowed in (("list", True), ("delete", False)):
        attributes = {"verb": verb, "resource": "pods"}
        got = ask(server, "POST", path, {"spec": {"resourceAttributes": attributes}}, token=token)
        assert (got.code, got.body["status"]["allowed"]) == (201, allowed)
