"""Everything that a test may order to go wrong does go wrong, and only that."""

import http.client
import json
import time

import pytest

from tests.cluster.live.apiserver import ADMIN_TOKEN, nodes, pod
from tests.cluster.live.apiserver.asking import ask, watch
from tests.cluster.live.conftest import Serve

ALL = "/api/v1/pods"
PODS = "/api/v1/namespaces/default/pods"
TO_N0 = {"target": {"kind": "Node", "name": "n0"}}


def test_a_burst_of_failures_for_one_kind_of_call(serve: Serve) -> None:
    server = serve(*nodes(1), pod("p"))
    server.faults.status(503, retry_after=2, verb="create", resource="pods/binding", times=2)
    assert ask(server, "GET", ALL).code == 200
    for _ in range(2):
        got = ask(server, "POST", f"{PODS}/p/binding", TO_N0)
        assert (got.code, got.headers["Retry-After"]) == (503, "2")
        assert got.body["reason"] == "ServiceUnavailable"
    assert server.faults.left == 0
    assert ask(server, "POST", f"{PODS}/p/binding", TO_N0).code == 201


def test_a_fault_may_come_later_and_for_one_name(serve: Serve) -> None:
    server = serve(pod("a"), pod("b"))
    server.faults.status(409, name="^b$", skip=1)
    codes = [ask(server, "GET", f"{PODS}/{name}").code for name in ("b", "a", "b", "b")]
    assert codes == [200, 200, 409, 200]
    server.faults.status(500, times=9)
    server.faults.clear()
    assert ask(server, "GET", ALL).code == 200


def test_a_dropped_call_is_not_carried_out_and_a_lost_one_is(serve: Serve) -> None:
    server = serve(*nodes(1), pod("p"), pod("q"), controllers=False)
    server.faults.drop(verb="create", resource="pods/binding")
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(server, "POST", f"{PODS}/p/binding", TO_N0)
    assert server.placed()["default/p"] is None
    server.faults.lose(verb="create", resource="pods/binding")
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(server, "POST", f"{PODS}/q/binding", TO_N0)
    assert server.placed()["default/q"] == "n0"


def test_half_an_answer(serve: Serve) -> None:
    server = serve(pod("p"))
    server.faults.truncate(verb="list")
    with pytest.raises(json.JSONDecodeError):
        ask(server, "GET", ALL)
    server.faults.truncate(verb="watch")
    with pytest.raises((json.JSONDecodeError, http.client.HTTPException)):
        watch(server, f"{ALL}?watch=true")


def test_slow_answers(serve: Serve) -> None:
    server = serve()
    server.faults.slow(0.2, verb="list")
    begin = time.monotonic()
    ask(server, "GET", ALL)
    assert time.monotonic() - begin >= 0.2


def test_something_happens_just_before_a_call(serve: Serve) -> None:
    server = serve(*nodes(2), pod("p"))

    def quicker() -> None:
        ask(server, "POST", f"{PODS}/p/binding", {"target": {"name": "n1"}})

    server.faults.before(quicker, verb="create", resource="pods/binding", skip=0)
    assert ask(server, "POST", f"{PODS}/p/binding", TO_N0).code == 409
    assert server.placed() == {"default/p": "n1"}


def test_a_watch_may_be_told_that_it_is_too_old(serve: Serve) -> None:
    server = serve(pod("p"))
    server.faults.expire(resource="pods")
    (event,) = watch(server, f"{ALL}?watch=true&resourceVersion=1")
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


def test_watches_break(serve: Serve) -> None:
    server = serve(pod("p"))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    connection.request("GET", f"{ALL}?watch=true", headers=headers)
    answer = connection.getresponse()
    assert json.loads(answer.readline())["type"] == "ADDED"
    server.drop_watches()
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    connection.close()


def test_expired_credentials(serve: Serve) -> None:
    server = serve()
    assert ask(server, "GET", ALL, token="").code == 401
    assert ask(server, "GET", ALL, token="wrong").code == 401
    server.revoke()
    got = ask(server, "GET", ALL)
    assert (got.code, got.body["reason"]) == (401, "Unauthorized")


def test_a_server_that_is_away_comes_back_with_all_it_had(serve: Serve) -> None:
    server = serve(pod("p"), controllers=False)
    version, port = server.api.store.version, server.port
    server.refuse()
    with pytest.raises(ConnectionRefusedError):
        ask(server, "GET", ALL)
    server.start()
    assert server.port == port
    assert ask(server, "GET", ALL).body["metadata"]["resourceVersion"] == str(version)
    server.restart(forget=True)
    (event,) = watch(server, f"{ALL}?watch=true&resourceVersion={version}")
    assert event["object"]["code"] == 410


def test_every_call_is_recorded(serve: Serve) -> None:
    server = serve(*nodes(1), pod("p"))
    ask(server, "POST", f"{PODS}/p/binding", TO_N0)
    (call,) = server.made("create", "pods/binding")
    assert (call.code, call.user, call.target.name) == (201, "admin", "p")
    assert call.json() == TO_N0
    assert call.headers["Authorization"] == f"Bearer {ADMIN_TOKEN}"
    assert str(call) == "create pods/binding default/p -> 201"
    assert ADMIN_TOKEN not in str(call)


def test_bodies_have_a_limit(serve: Serve) -> None:
    assert ask(serve(), "POST", PODS, b" " * (3 * 2**20 + 1)).code == 413
