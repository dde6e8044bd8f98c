"""Answers, estimates, logs and metrics of the gateway: one thing each."""

from __future__ import annotations

import io
import json

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("prometheus_client")

from hocket.serving.live.gateway import answers
from hocket.serving.live.gateway.estimate import Estimator
from hocket.serving.live.gateway.logs import Entry, Log
from hocket.serving.live.gateway.prometheus import Metrics


def test_errors_have_the_shape_of_openai() -> None:
    told = json.loads(answers.error(429, "slow down", code="rate", param="x"))["error"]
    assert told == {
        "message": "slow down", "type": "rate_limit_error", "param": "x", "code": "rate",
    }  # fmt: skip
    types = {
        s: json.loads(answers.error(s, ""))["error"]["type"] for s in (400, 401, 404, 500, 503)
    }
    assert types == {
        400: "invalid_request_error", 401: "authentication_error", 404: "invalid_request_error",
        500: "server_error", 503: "server_error",
    }  # fmt: skip
    assert answers.event(502, "gone").startswith(b'data: {"error":{')
    assert answers.event(502, "gone\n\ndata: x").count(b"\n") == 2


@pytest.mark.parametrize(("seconds", "told"), [(0.0, b"1"), (0.2, b"1"), (1.0, b"1"), (1.01, b"2")])
def test_retry_after_is_never_too_soon(seconds: float, told: bytes) -> None:
    assert dict(answers.json_headers(b"{}", retry_after=seconds))[b"retry-after"] == told


def test_estimates_approach_what_engines_count() -> None:
    estimator = Estimator()
    assert estimator.ratio("m") == 0.25
    for _ in range(200):
        estimator.learn("m", 1000, 500)
    assert estimator.ratio("m") == pytest.approx(0.5, abs=1e-4)
    assert estimator.ratio("other") == 0.25
    for size, tokens in ((0, 5), (5, 0), (-1, 5)):
        estimator.learn("other", size, tokens)
    assert estimator.ratio("other") == 0.25
    for _ in range(1000):
        estimator.learn("m", 1, 10**6)
    assert estimator.ratio("m") <= 1.0


def entry(status: int = 200, why: str = "") -> Entry:
    return Entry(id="r", tenant="t", kind="chat", model="m", status=status, why=why, backend="b")


def test_a_log_is_json_lines() -> None:
    stream = io.BytesIO()
    log = Log(stream)
    log.request(entry())
    log.event("draining", requests=3)
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["event"] == "request" and first["status"] == 200 and "why" not in first
    assert second["event"] == "draining" and second["requests"] == 3
    assert second["time"] >= first["time"] > 1e9


def test_a_quiet_log_tells_what_is_out_of_the_ordinary() -> None:
    stream = io.BytesIO()
    log = Log(stream, requests=False)
    for one in (entry(), entry(status=500), entry(why="timeout")):
        log.request(one)
    assert len(stream.getvalue().splitlines()) == 2


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    stream = io.BytesIO()
    log = Log(stream)
    stream.close()
    log.event("one")
    log.event("two")


def test_clients_cannot_make_labels() -> None:
    metrics = Metrics(["blue"])
    for name in ("blue", "default", "x", "y", "z" * 64):
        one = entry()
        one.tenant, one.ttft, one.answer = name, 0.1, 3
        metrics.finished(one)
        metrics.refused(name, 429)
    page = metrics.page().decode()
    assert 'hocket_gateway_shed_total{status="429",tenant="other"} 3.0' in page
    assert 'tenant="blue"' in page and 'tenant="x"' not in page
    assert 'hocket_gateway_tokens_total{kind="answer",tenant="other"} 9.0' in page
    assert 'hocket_gateway_ttft_seconds_count{backend="b"} 5.0' in page
