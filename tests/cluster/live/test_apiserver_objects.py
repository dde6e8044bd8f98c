"""Objects of the test server: made, read, changed and deleted as in Kubernetes."""

import pytest

from tests.cluster.live.apiserver import node, nodes, pod, replicaset
from tests.cluster.live.apiserver.asking import ask
from tests.cluster.live.conftest import Serve

PODS = "/api/v1/namespaces/default/pods"


def plain(name="", **meta):
    return {"metadata": {"name": name, **meta}, "spec": {"containers": [{"name": "c"}]}}


def test_discovery_names_what_clients_look_for(serve: Serve) -> None:
    server = serve()
    assert ask(server, "GET", "/api").body["versions"] == ["v1"]
    groups = {group["name"] for group in ask(server, "GET", "/apis").body["groups"]}
    assert {"apps", "policy", "coordination.k8s.io", "events.k8s.io"} <= groups
    core = ask(server, "GET", "/api/v1").body["resources"]
    eviction = next(one for one in core if one["name"] == "pods/eviction")
    assert (eviction["kind"], eviction["group"], eviction["version"]) == (
        "Eviction",
        "policy",
        "v1",
    )
    policy = ask(server, "GET", "/apis/policy/v1beta1").body
    assert policy["groupVersion"] == "policy/v1beta1"
    assert ask(server, "GET", "/apis/nothing/v1").code == 404
    assert ask(server, "GET", "/api/v1/widgets").code == 404


def test_a_pod_is_made_with_identity_and_defaults(serve: Serve) -> None:
    server = serve()
    made = ask(server, "POST", PODS, plain(generateName="web-"))
    assert made.code == 201
    meta, spec = made.body["metadata"], made.body["spec"]
    assert meta["name"].startswith("web-") and len(meta["name"]) == 9
    assert meta["uid"] and meta["creationTimestamp"] and int(meta["resourceVersion"]) > 1
    assert (spec["schedulerName"], spec["priority"]) == ("default-scheduler", 0)
    assert made.body["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert ask(server, "GET", f"{PODS}/{meta['name']}").body == made.body


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (plain("Not A Name"), 422, "Invalid"),
        (plain(), 422, "Invalid"),
        ({"metadata": {"name": "p"}, "spec": {}}, 422, "Invalid"),
        ({**plain("p"), "kind": "Node"}, 400, "BadRequest"),
        (plain("p", namespace="other"), 400, "BadRequest"),
        (plain("p", resourceVersion="7"), 400, "BadRequest"),
        ([1], 400, "BadRequest"),
        (b"{", 400, "BadRequest"),
        (plain("there"), 409, "AlreadyExists"),
    ],
)
def test_what_cannot_be_made_is_refused(serve: Serve, body, code, reason) -> None:
    server = serve(pod("there"))
    got = ask(server, "POST", PODS, body)
    assert (got.code, got.body["reason"], got.body["kind"]) == (code, reason, "Status")


def test_a_pod_needs_its_namespace_and_its_priority_class(serve: Serve) -> None:
    server = serve()
    assert ask(server, "POST", "/api/v1/namespaces/none/pods", plain("p")).code == 404
    body = plain("p")
    body["spec"]["priorityClassName"] = "high"
    assert ask(server, "POST", PODS, body).code == 403
    high = {"metadata": {"name": "high"}, "value": 1000}
    path = "/apis/scheduling.k8s.io/v1/priorityclasses"
    assert ask(server, "POST", path, high).code == 201
    assert ask(server, "POST", PODS, body).body["spec"]["priority"] == 1000


def test_an_update_of_an_old_version_is_a_conflict(serve: Serve) -> None:
    server = serve(node("n0"))
    old = ask(server, "GET", "/api/v1/nodes/n0").body
    first = {**old, "spec": {"unschedulable": True}}
    assert ask(server, "PUT", "/api/v1/nodes/n0", first).code == 200
    second = ask(server, "PUT", "/api/v1/nodes/n0", {**old, "spec": {}})
    assert (second.code, second.body["reason"]) == (409, "Conflict")
    assert server.objects("nodes")[0]["spec"]["unschedulable"]


def test_an_update_that_changes_nothing_keeps_the_version(serve: Serve) -> None:
    server = serve(node("n0"), controllers=False)
    found = ask(server, "GET", "/api/v1/nodes/n0").body
    again = ask(server, "PUT", "/api/v1/nodes/n0", found).body
    assert again["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]


def test_spec_and_status_are_written_apart(serve: Serve) -> None:
    server = serve(pod("p"), controllers=False)
    found = ask(server, "GET", f"{PODS}/p").body
    found["status"]["phase"] = "Running"
    assert ask(server, "PUT", f"{PODS}/p", found).body["status"]["phase"] == "Pending"
    merge = "application/merge-patch+json"
    change = {"status": {"phase": "Failed"}, "spec": {"priority": 9}}
    done = ask(server, "PATCH", f"{PODS}/p/status", change, kind=merge).body
    assert (done["status"]["phase"], done["spec"]["priority"]) == ("Failed", 0)


@pytest.mark.parametrize(
    "change", [{"nodeName": "n1"}, {"priority": 5}, {"schedulingGates": [{"name": "new"}]}]
)
def test_the_spec_of_a_pod_stays(serve: Serve, change) -> None:
    server = serve(pod("p"))
    got = ask(server, "PATCH", f"{PODS}/p", {"spec": change}, kind="application/merge-patch+json")
    assert (got.code, got.body["reason"]) == (422, "Invalid")


def test_scheduling_gates_can_be_taken_away(serve: Serve) -> None:
    server = serve(*nodes(1), pod("p", schedulingGates=[{"name": "g"}]))
    bind = {"target": {"kind": "Node", "name": "n0"}}
    assert ask(server, "POST", f"{PODS}/p/binding", bind).code == 409
    free = {"spec": {"schedulingGates": None}}
    assert ask(server, "PATCH", f"{PODS}/p", free, kind="application/merge-patch+json").code == 200
    assert ask(server, "POST", f"{PODS}/p/binding", bind).code == 201


def test_a_pod_on_a_node_leaves_after_its_grace(serve: Serve) -> None:
    server = serve(*nodes(1), pod("p", on="n0"), pod("waits"), controllers=False)
    leaving = ask(server, "DELETE", f"{PODS}/p").body["metadata"]
    assert leaving["deletionTimestamp"] and leaving["deletionGracePeriodSeconds"] == 30
    shorter = ask(server, "DELETE", f"{PODS}/p?gracePeriodSeconds=5").body["metadata"]
    assert shorter["deletionGracePeriodSeconds"] == 5
    assert ask(server, "DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0}).code == 200
    assert ask(server, "GET", f"{PODS}/p").code == 404
    assert ask(server, "DELETE", f"{PODS}/waits").code == 200
    assert ask(server, "GET", f"{PODS}/waits").code == 404


def test_preconditions_of_a_delete(serve: Serve) -> None:
    server = serve(pod("p"), controllers=False)
    for wrong in ({"uid": "other"}, {"resourceVersion": "1"}):
        got = ask(server, "DELETE", f"{PODS}/p", {"preconditions": wrong})
        assert (got.code, got.body["reason"]) == (409, "Conflict")
    uid = server.objects("pods")[0]["metadata"]["uid"]
    dry = {"preconditions": {"uid": uid}, "dryRun": ["All"]}
    assert ask(server, "DELETE", f"{PODS}/p", dry).code == 200
    assert ask(server, "DELETE", f"{PODS}/p", {"preconditions": {"uid": uid}}).code == 200
    assert server.objects("pods") == []


def test_finalizers_hold_an_object(serve: Serve) -> None:
    server = serve()
    path = "/api/v1/namespaces/default/configmaps"
    held = {"metadata": {"name": "c", "finalizers": ["test/hold"]}}
    assert ask(server, "POST", path, held).code == 201
    assert "deletionTimestamp" in ask(server, "DELETE", f"{path}/c").body["metadata"]
    free = [{"op": "remove", "path": "/metadata/finalizers"}]
    ask(server, "PATCH", f"{path}/c", free, kind="application/json-patch+json")
    assert ask(server, "GET", f"{path}/c").code == 404


def test_a_collection_is_deleted_by_label(serve: Serve) -> None:
    server = serve(pod("a", labels={"x": "1"}), pod("b", labels={"x": "2"}))
    gone = ask(server, "DELETE", f"{PODS}?labelSelector=x%3D1").body["items"]
    assert [one["metadata"]["name"] for one in gone] == ["a"]
    assert list(server.placed()) == ["default/b"]


def test_dry_runs_change_nothing(serve: Serve) -> None:
    server = serve(pod("p"), controllers=False)
    version = server.api.store.version
    assert ask(server, "POST", f"{PODS}?dryRun=All", plain("q")).code == 201
    label = {"metadata": {"labels": {"a": "b"}}}
    got = ask(server, "PATCH", f"{PODS}/p?dryRun=All", label, kind="application/merge-patch+json")
    assert got.body["metadata"]["labels"] == {"a": "b"}
    bind = {"target": {"name": "n0"}}
    assert ask(server, "POST", f"{PODS}/p/binding?dryRun=All", bind).code == 201
    assert server.api.store.version == version


def test_a_replicaset_makes_its_pods_anew_under_other_names(serve: Serve) -> None:
    server = serve(replicaset("web", 3))
    server.settle()
    before = set(server.placed())
    assert len(before) == 3
    victim = sorted(before)[0]
    assert ask(server, "DELETE", f"{PODS}/{victim.partition('/')[2]}").code == 200
    server.settle()
    after = set(server.placed())
    assert len(after) == 3 and victim not in after
    owner = server.objects("pods")[0]["metadata"]["ownerReferences"][0]
    assert owner["uid"] == server.objects("replicasets")[0]["metadata"]["uid"]
    sets = "/apis/apps/v1/namespaces/default/replicasets/web"
    ask(server, "PATCH", sets, {"spec": {"replicas": 1}}, kind="application/merge-patch+json")
    server.settle()
    assert len(server.placed()) == 1
    assert ask(server, "DELETE", sets).code == 200
    server.settle()
    assert server.placed() == {}


def test_bound_pods_run_and_cordoned_nodes_are_tainted(serve: Serve) -> None:
    server = serve(*nodes(1), pod("p"))
    ask(server, "POST", f"{PODS}/p/binding", {"target": {"kind": "Node", "name": "n0"}})
    server.settle()
    status = server.objects("pods")[0]["status"]
    assert status["phase"] == "Running"
    assert {one["type"] for one in status["conditions"] if one["status"] == "True"} == {
        "PodScheduled",
        "Initialized",
        "ContainersReady",
        "Ready",
    }
    cordon = {"spec": {"unschedulable": True}}
    kind = "application/strategic-merge-patch+json"
    ask(server, "PATCH", "/api/v1/nodes/n0", cordon, kind=kind)
    server.settle()
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    assert server.objects("nodes")[0]["spec"]["taints"] == [taint]


def test_events_are_the_same_in_both_groups(serve: Serve) -> None:
    server = serve()
    event = {
        "metadata": {"name": "e"},
        "regarding": {"kind": "Pod", "name": "p"},
        "note": "it moved",
        "reason": "Moved",
    }
    path = "/apis/events.k8s.io/v1/namespaces/default/events"
    assert ask(server, "POST", path, event).code == 201
    query = "fieldSelector=involvedObject.name%3Dp"
    (found,) = ask(server, "GET", f"/api/v1/namespaces/default/events?{query}").body["items"]
    assert (found["message"], found["involvedObject"]["kind"]) == ("it moved", "Pod")


def test_the_toy_scheduler_fills_the_first_node(serve: Serve) -> None:
    server = serve(*nodes(2), replicaset("web", 3, cpu="500m"), scheduler=True)
    server.settle()
    assert sorted(str(where) for where in server.placed().values()) == ["n0", "n0", "n1"]
