"""Binding and eviction on the test server: who may be moved, and who may not."""

import pytest

from tests.cluster.live.apiserver import budget, nodes, pod, replicaset
from tests.cluster.live.apiserver.asking import ask
from tests.cluster.live.conftest import Serve

PODS = "/api/v1/namespaces/default/pods"
TO_N0 = {"target": {"kind": "Node", "name": "n0"}}


def evict(server, name, version="policy/v1", **more):
    body = {"apiVersion": version, "kind": "Eviction", "metadata": {"name": name}, **more}
    return ask(server, "POST", f"{PODS}/{name}/eviction", body)


@pytest.mark.parametrize("address", [f"{PODS}/p/binding", "/api/v1/namespaces/default/bindings"])
def test_a_binding_puts_a_pod_on_its_node_once(serve: Serve, address) -> None:
    server = serve(*nodes(2), pod("p"))
    done = ask(server, "POST", address, {**TO_N0, "metadata": {"name": "p"}})
    assert (done.code, done.body["status"]) == (201, "Success")
    found = server.objects("pods")[0]
    assert found["spec"]["nodeName"] == "n0"
    assert any(one["type"] == "PodScheduled" for one in found["status"]["conditions"])
    again = ask(server, "POST", f"{PODS}/p/binding", {"target": {"name": "n1"}})
    assert (again.code, again.body["reason"]) == (409, "Conflict")
    assert 'already assigned to node "n0"' in again.body["message"]


def test_bindings_that_cannot_be(serve: Serve) -> None:
    server = serve(*nodes(1), pod("p"), controllers=False)
    assert ask(server, "POST", f"{PODS}/none/binding", TO_N0).code == 404
    other = {**TO_N0, "metadata": {"name": "p", "uid": "another"}}
    assert ask(server, "POST", f"{PODS}/p/binding", other).code == 409
    assert ask(server, "POST", f"{PODS}/p/binding", {"target": {}}).code == 422
    assert ask(server, "POST", f"{PODS}/p/binding", {"target": {"kind": "Pod"}}).code == 422
    assert ask(server, "GET", f"{PODS}/p/binding").code == 405


def test_a_leaving_pod_is_not_bound(serve: Serve) -> None:
    server = serve(*nodes(1), controllers=False)
    held = pod("p")
    held["metadata"]["finalizers"] = ["test/hold"]
    server.api.seed(held)
    ask(server, "DELETE", f"{PODS}/p")
    got = ask(server, "POST", f"{PODS}/p/binding", TO_N0)
    assert got.code == 409 and "is being deleted" in got.body["message"]


@pytest.mark.parametrize("version", ["policy/v1", "policy/v1beta1"])
def test_an_eviction_is_a_graceful_delete(serve: Serve, version) -> None:
    server = serve(*nodes(1), pod("p", on="n0"))
    done = evict(server, "p", version)
    assert (done.code, done.body["status"]) == (201, "Success")
    server.settle()
    assert server.objects("pods") == []


def test_a_budget_is_spent_and_then_refuses(serve: Serve) -> None:
    web = {"labels": {"app": "web"}, "on": "n0"}
    server = serve(
        *nodes(1), *(pod(f"w{i}", **web) for i in range(3)), budget("b", "web", minAvailable=2)
    )
    server.settle()
    assert server.objects("poddisruptionbudgets")[0]["status"]["disruptionsAllowed"] == 1
    assert evict(server, "w0", deleteOptions={"dryRun": ["All"]}).code == 201
    assert len(server.placed()) == 3
    assert evict(server, "w0").code == 201
    refused = evict(server, "w1")
    assert (refused.code, refused.body["reason"]) == (429, "TooManyRequests")
    (cause,) = refused.body["details"]["causes"]
    assert cause["reason"] == "DisruptionBudget"
    assert cause["message"].startswith("The disruption budget b ")
    server.settle()
    assert sorted(server.placed()) == ["default/w1", "default/w2"]
    assert evict(server, "w1").code == 429


def test_shares_are_of_what_the_owner_wants(serve: Serve) -> None:
    server = serve(
        *nodes(2),
        replicaset("web", 4),
        budget("b", "web", maxUnavailable="25%"),
        scheduler=True,
    )
    server.settle()
    names = [key.partition("/")[2] for key in server.placed()]
    assert evict(server, names[0]).code == 201
    assert evict(server, names[1]).code == 429
    server.settle()
    assert evict(server, names[1]).code == 201


def test_what_a_budget_does_not_hold(serve: Serve) -> None:
    labels = {"app": "web"}
    server = serve(
        *nodes(1),
        pod("waits", labels=labels),
        pod("runs", labels=labels, on="n0"),
        budget("b", "web", minAvailable=2),
    )
    server.settle()
    assert evict(server, "runs").code == 429
    assert evict(server, "waits").code == 201


def test_two_budgets_for_one_pod_are_an_error(serve: Serve) -> None:
    server = serve(
        *nodes(1),
        pod("p", labels={"app": "web"}, on="n0"),
        budget("a", "web", minAvailable=0),
        budget("b", "web", minAvailable=0),
    )
    server.settle()
    assert evict(server, "p").code == 500


def test_a_budget_that_nobody_has_looked_at_refuses(serve: Serve) -> None:
    server = serve(
        *nodes(1),
        pod("p", labels={"app": "web"}, on="n0"),
        budget("b", "web", minAvailable=0),
        controllers=False,
    )
    got = evict(server, "p")
    assert (got.code, got.headers["Retry-After"]) == (429, "10")


def test_evictions_of_others_than_meant(serve: Serve) -> None:
    server = serve(*nodes(1), pod("p", on="n0"))
    wrong = {"preconditions": {"uid": "another"}}
    assert evict(server, "p", deleteOptions=wrong).code == 409
    assert evict(server, "none").code == 404
    body = {"metadata": {"name": "q"}}
    assert ask(server, "POST", f"{PODS}/p/eviction", body).code == 400
