"""Lists and watches of the test server."""

import threading
import time

import pytest

from tests.cluster.live.apiserver import node, nodes, pod
from tests.cluster.live.apiserver.asking import ask, watch
from tests.cluster.live.conftest import Serve

ALL = "/api/v1/pods"
PODS = "/api/v1/namespaces/default/pods"


def names(body):
    return [item["metadata"]["name"] for item in body["items"]]


def test_a_list_is_of_a_kind_and_has_a_version(serve: Serve) -> None:
    server = serve(pod("b"), pod("a"), pod("c", namespace="x"))
    found = ask(server, "GET", ALL).body
    assert (found["kind"], found["apiVersion"]) == ("PodList", "v1")
    assert int(found["metadata"]["resourceVersion"]) == server.api.store.version
    assert names(found) == ["a", "b", "c"]
    assert "kind" not in found["items"][0]
    assert names(ask(server, "GET", PODS).body) == ["a", "b"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("labelSelector=app%3Dweb", ["a", "b"]),
        ("labelSelector=app%3D%3Dweb,tier!%3D1", ["b"]),
        ("labelSelector=tier%20in%20(1,2)", ["a", "b"]),
        ("labelSelector=tier%20notin%20(1)", ["b", "c"]),
        ("labelSelector=!tier", ["c"]),
        ("labelSelector=tier", ["a", "b"]),
        ("fieldSelector=spec.nodeName%3Dn0", ["a"]),
        ("fieldSelector=spec.nodeName%3D", ["b", "c"]),
        ("fieldSelector=spec.nodeName!%3Dn0,metadata.name!%3Db", ["c"]),
        ("fieldSelector=status.phase%3DPending", ["b", "c"]),
        ("fieldSelector=spec.schedulerName%3Dhocket", ["c"]),
    ],
)
def test_selectors(serve: Serve, query, expected) -> None:
    server = serve(
        *nodes(1),
        pod("a", labels={"app": "web", "tier": "1"}, on="n0"),
        pod("b", labels={"app": "web", "tier": "2"}),
        pod("c", scheduler="hocket"),
    )
    assert names(ask(server, "GET", f"{ALL}?{query}").body) == expected


@pytest.mark.parametrize(
    "query", ["fieldSelector=spec.colour%3Dred", "labelSelector=a%20b%20c", "limit=many"]
)
def test_bad_queries_are_refused(serve: Serve, query) -> None:
    assert ask(serve(), "GET", f"{ALL}?{query}").code == 400


def test_pages_are_of_one_moment(serve: Serve) -> None:
    server = serve(*(pod(f"p{i}") for i in range(5)), controllers=False)
    first = ask(server, "GET", f"{ALL}?limit=2").body
    assert names(first) == ["p0", "p1"]
    assert first["metadata"]["remainingItemCount"] == 3
    ask(server, "DELETE", f"{PODS}/p3")
    token = first["metadata"]["continue"]
    second = ask(server, "GET", f"{ALL}?limit=2&continue={token}").body
    assert names(second) == ["p2", "p3"]
    last = ask(server, "GET", f"{ALL}?limit=2&continue={second['metadata']['continue']}").body
    assert names(last) == ["p4"] and "continue" not in last["metadata"]
    assert last["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    server.compact()
    late = ask(server, "GET", f"{ALL}?limit=2&continue={token}")
    assert (late.code, late.body["reason"]) == (410, "Expired")
    assert ask(server, "GET", f"{ALL}?limit=2&continue=nonsense").code == 400


def test_a_watch_tells_what_happened_since_a_version(serve: Serve) -> None:
    server = serve(pod("a"), controllers=False)
    version = ask(server, "GET", ALL).body["metadata"]["resourceVersion"]
    server.api.seed(pod("b"))
    ask(server, "DELETE", f"{PODS}/a")
    events = watch(server, f"{ALL}?watch=true&resourceVersion={version}&timeoutSeconds=0.05")
    told = [(one["type"], one["object"]["metadata"]["name"]) for one in events]
    assert told == [("ADDED", "b"), ("DELETED", "a")]
    assert events[0]["object"]["kind"] == "Pod"
    versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in events]
    assert int(version) < versions[0] < versions[1]


def test_a_watch_without_a_version_begins_with_what_is_there(serve: Serve) -> None:
    server = serve(node("n0"), node("n1"), controllers=False)
    events = watch(server, "/api/v1/nodes?watch=1&timeoutSeconds=0.05")
    assert [(one["type"], one["object"]["metadata"]["name"]) for one in events] == [
        ("ADDED", "n0"),
        ("ADDED", "n1"),
    ]


def test_a_watch_of_pending_pods_sees_a_bound_one_go(serve: Serve) -> None:
    server = serve(*nodes(1), pod("p"), controllers=False)
    version = server.api.store.version
    ask(server, "POST", f"{PODS}/p/binding", {"target": {"name": "n0"}})
    query = f"watch=true&resourceVersion={version}&timeoutSeconds=0.05"
    (gone,) = watch(server, f"{ALL}?{query}&fieldSelector=spec.nodeName%3D")
    assert gone["type"] == "DELETED"
    (come,) = watch(server, f"{ALL}?{query}&fieldSelector=spec.nodeName%3Dn0")
    assert come["type"] == "ADDED"


def test_a_watch_waits_for_changes(serve: Serve) -> None:
    server = serve(controllers=False)
    found: list[object] = []
    query = f"watch=true&resourceVersion={server.api.store.version}&timeoutSeconds=1"
    thread = threading.Thread(target=lambda: found.extend(watch(server, f"{ALL}?{query}")))
    thread.start()
    until = time.monotonic() + 10
    while not server.made("watch", "pods") and time.monotonic() < until:
        time.sleep(0.01)
    server.api.seed(pod("late"))
    thread.join()
    assert len(found) == 1


def test_bookmarks_carry_the_version_of_other_kinds_too(serve: Serve) -> None:
    server = serve(controllers=False)
    server.bookmarks = 0.02
    version = server.api.store.version
    server.api.seed(node("n0"))
    query = f"watch=true&resourceVersion={version}&timeoutSeconds=0.1&allowWatchBookmarks=true"
    events = watch(server, f"{ALL}?{query}")
    assert {one["type"] for one in events} == {"BOOKMARK"}
    last = events[-1]["object"]
    assert last["kind"] == "Pod"
    assert int(last["metadata"]["resourceVersion"]) == server.api.store.version


def test_initial_events_end_with_a_bookmark(serve: Serve) -> None:
    server = serve(node("n0"), controllers=False)
    query = "watch=true&sendInitialEvents=true&allowWatchBookmarks=true&timeoutSeconds=0.05"
    events = watch(server, f"/api/v1/nodes?{query}")
    assert [one["type"] for one in events][:2] == ["ADDED", "BOOKMARK"]
    notes = events[1]["object"]["metadata"]["annotations"]
    assert notes == {"k8s.io/initial-events-end": "true"}


def test_a_version_that_was_compacted_is_gone(serve: Serve) -> None:
    server = serve(pod("a"), controllers=False)
    version = server.api.store.version
    server.compact()
    (event,) = watch(server, f"{ALL}?watch=true&resourceVersion={version}")
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    assert event["object"]["reason"] == "Expired"


def test_a_version_of_the_future_is_too_large(serve: Serve) -> None:
    got = ask(serve(), "GET", f"{ALL}?watch=true&resourceVersion=999999")
    assert (got.code, got.body["reason"]) == (504, "Timeout")


def test_tables(serve: Serve) -> None:
    server = serve(*nodes(1), pod("p", on="n0"))
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    table = ask(server, "GET", ALL, accept=accept).body
    assert table["kind"] == "Table"
    columns = [column["name"] for column in table["columnDefinitions"]]
    cells = dict(zip(columns, table["rows"][0]["cells"], strict=True))
    assert (cells["Name"], cells["Status"], cells["Node"]) == ("p", "Running", "n0")
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
