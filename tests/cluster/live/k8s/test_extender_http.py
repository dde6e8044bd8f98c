"""The extender over HTTP: answers, refusals, and hostile callers."""

import json
import socket
from http.client import HTTPConnection

import pytest

from hocket.cluster.formats.kubernetes import node_of
from hocket.cluster.live.k8s.extender import Extender
from hocket.cluster.live.k8s.extender_http import ExtenderServer
from hocket.cluster.model.pods import Pods
from hocket.cluster.policies.kube_scheduler import KubeScheduler
from tests.cluster.live.apiserver import node, pod


def present() -> Pods:
    return Pods(name="live", nodes=(node_of(node("n0")),))


@pytest.fixture
def served():
    server = ExtenderServer(Extender(KubeScheduler(), present), port=0, largest=10_000)
    server.start()
    yield server
    server.close()


def call(server, method, path, body=b"", headers=None):
    connection = HTTPConnection(*server.server_address, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_questions_are_answered(served) -> None:
    question = json.dumps({"Pod": pod("p"), "NodeNames": ["n0"]}).encode()
    code, body = call(served, "POST", "/filter", question)
    assert code == 200 and json.loads(body)["NodeNames"] == ["n0"]
    code, body = call(served, "POST", "/prioritize", question)
    assert code == 200 and json.loads(body) == [{"Host": "n0", "Score": 10}]
    code, body = call(served, "POST", "/preempt", question)
    assert code == 200 and json.loads(body) == {"NodeNameToMetaVictims": {}}
    assert call(served, "GET", "/healthz") == (200, b"ok\n")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"Pod": {}}',
        pytest.param(b"[" * 9000, id="deep"),
        b'{"Pod": {"metadata": {"name": []}}, "NodeNames": []}',
    ],
)
def test_what_is_no_question_is_refused_and_the_server_lives(served, body) -> None:
    for path in ("/filter", "/prioritize", "/preempt", "/bind"):
        code, told = call(served, "POST", path, body)
        assert code == 400 and told
    assert call(served, "GET", "/healthz")[0] == 200


def test_sizes_and_paths(served) -> None:
    assert call(served, "POST", "/filter", b" " * 10_001)[0] == 413
    assert call(served, "POST", "/nothing", b"{}")[0] == 404
    assert call(served, "GET", "/nothing")[0] == 404
    connection = HTTPConnection(*served.server_address, timeout=10)
    connection.putrequest("POST", "/filter")
    connection.endheaders()
    assert connection.getresponse().status == 411
    connection.close()


def test_a_failure_inside_is_a_500_without_its_details(served, caplog) -> None:
    def fails(question):
        raise RuntimeError("secret of the machine")

    served.verbs["/filter"] = fails
    code, told = call(served, "POST", "/filter", b"{}")
    assert code == 500 and b"secret" not in told
    assert "secret of the machine" in caplog.text
    assert call(served, "GET", "/healthz")[0] == 200


def test_a_caller_that_hangs_up_stops_nobody(served) -> None:
    for data in (b"", b"POST /filter HTTP/1.1\r\nContent-Length: 100\r\n\r\n{", b"\x00\x01"):
        with socket.create_connection(served.server_address) as raw:
            raw.sendall(data)
    assert call(served, "GET", "/healthz")[0] == 200


def test_one_connection_takes_many_questions(served) -> None:
    connection = HTTPConnection(*served.server_address, timeout=10)
    for code, path in ((404, "/nothing"), (400, "/filter"), (404, "/nothing")):
        connection.request("POST", path, b"{}")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == code
    connection.close()


def test_headers_are_not_logged(served, caplog) -> None:
    caplog.set_level("DEBUG")
    call(served, "POST", "/filter", b"{", {"Authorization": "Bearer very-secret"})
    assert caplog.records and "very-secret" not in caplog.text
