"""Engines die, hang and talk nonsense: what had not begun is served elsewhere, the rest is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("uvicorn")

from tests.serving.live.gateway.client import Client, live, until
from tests.serving.live.gateway.engine import (
    Broken,
    Cut,
    Engine,
    Fault,
    Garbage,
    Hang,
    Length,
    Raw,
    Reset,
    Said,
    Slow,
    Status,
)
from tests.serving.live.gateway.front import Front, gateway

STREAM = {"stream": True}
MARK = {"x-request-id": "same"}
QUICK = {"connect": 0.5, "first": 1.0, "gap": 1.0, "total": 100.0}
PATIENT = {"connect": 60.0, "first": 60.0, "gap": 60.0, "total": 100.0}

BEFORE: list[Fault] = [
    Reset(), Reset(headers=True), Hang(), Hang(headers=True), Raw(), Raw(data=b""),
    Raw(data=b"HTTP/1.1 200 OK\r\nContent-Le"), Cut(),
    Raw(data=b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
    Status(status=500), Status(status=502), Status(status=503), Status(status=504),
    Status(status=429, headers=(("Retry-After", "7"),)),
]  # fmt: skip


def patience(fault: Fault) -> dict[str, float]:
    """Timeouts: short ones only where one is waited for, as machines may be slow."""
    return QUICK if isinstance(fault, Hang) else PATIENT


@pytest.mark.parametrize("fault", BEFORE, ids=str)
@pytest.mark.parametrize("fields", [{}, STREAM], ids=["whole", "stream"])
@live
async def test_before_the_first_token_another_engine_is_asked(
    fault: Fault, fields: dict[str, Any]
) -> None:
    async with (
        Engine() as bad,
        Engine() as good,
        Client(good.url) as direct,
        gateway(bad, good, policy="serving/round-robin", timeouts=patience(fault)) as front,
    ):
        expected = await direct.complete("x", 20, headers=MARK, **fields)
        bad.fault(fault)
        given = await front.complete("x", 20, headers=MARK, **fields)
        assert (given.status, given.error, given.body) == (200, "", expected.body)
        assert len(bad.served) == 1 and len(good.served) == 2
        assert front.last["retries"] == 1 and front.last["status"] == 200
        assert await front.count("retries_total") == 1
        assert await front.count("backend_failures_total", backend=front.names[0]) == 1


AFTER: list[Fault] = [Reset(after=3), Cut(after=3), Broken(after=3), Hang(after=3)]


@pytest.mark.parametrize("fault", AFTER, ids=str)
@live
async def test_a_stream_that_dies_midway_is_told(fault: Fault) -> None:
    async with (
        Engine() as bad,
        Engine() as other,
        Client(bad.url) as direct,
        gateway(bad, other, policy="serving/round-robin", timeouts=patience(fault)) as front,
    ):
        expected = await direct.complete("x", 20, headers=MARK, **STREAM)
        bad.fault(fault)
        given = await front.complete("x", 20, headers=MARK, **STREAM)
        assert not other.served  # tokens that were shown cannot be taken back
        assert given.status == 200 and not given.done
        *said, last = given.body.rstrip(b"\n").split(b"\n\n")
        assert expected.body.startswith(b"\n\n".join(said[:3]))
        assert b'"error"' in last
        assert given.error == ""  # the connection is whole, the event tells it
        assert front.last["status"] >= 500 and front.last["answer"] == 3
        assert await front.count("broken_streams_total") == 1


@pytest.mark.parametrize("fault", AFTER, ids=str)
@live
async def test_an_answer_in_one_piece_that_dies_midway_is_served_elsewhere(fault: Fault) -> None:
    async with (
        Engine() as bad,
        Engine() as good,
        Client(good.url) as direct,
        gateway(bad, good, policy="serving/round-robin", timeouts=patience(fault)) as front,
    ):
        expected = await direct.complete("x", 20, headers=MARK)
        bad.fault(fault)
        given = await front.complete("x", 20, headers=MARK)
        assert (given.status, given.body) == (200, expected.body)


@live
async def test_a_body_that_is_shorter_than_announced_is_served_elsewhere() -> None:
    async with (
        Engine() as bad,
        Engine() as good,
        Client(good.url) as direct,
        gateway(bad, good, policy="serving/round-robin", timeouts=PATIENT) as front,
    ):
        expected = await direct.complete("x", 20, headers=MARK)
        bad.fault(Length(more=10))
        given = await front.complete("x", 20, headers=MARK)
        assert (given.status, given.body) == (200, expected.body)
        # One that goes on longer is cut where it said that it would be.
        good.fault(Length(more=-10))
        for _ in range(2):
            given = await front.complete("x", 20, headers=MARK)
            assert given.body in (expected.body, expected.body[:-10])


@live
async def test_an_engine_may_be_slow() -> None:
    async with (
        Engine() as engine,
        Client(engine.url) as direct,
        gateway(engine, timeouts=QUICK) as front,
    ):
        expected = await direct.complete("x", 20, headers=MARK, **STREAM)
        engine.fault(*(Slow(after=n, seconds=0.15) for n in range(8)))  # 1.2 s in all
        given = await front.complete("x", 20, headers=MARK, **STREAM)
        assert given.body == expected.body


@live
async def test_nonsense_within_a_stream_passes_and_is_counted() -> None:
    async with Engine() as engine, gateway(engine) as front:
        for data in (b"data: {no json\n\n", b"nonsense\n\n", b"\xff\xfe\x00\n\n", b"data:\n\n"):
            engine.fault(Garbage(after=2, data=data))
            given = await front.complete("x", 8, **STREAM)
            assert data in given.body and given.done and given.status == 200
        assert await front.count("malformed_total", backend=front.names[0]) >= 3
        engine.fault(Garbage(after=2, data=b": a comment\n\n"))
        assert (await front.complete("x", 8, **STREAM)).done
        assert "malformed" not in front.last


@live
async def test_huge_events_pass() -> None:
    async with Engine() as engine, gateway(engine) as front:
        huge = b'data: {"choices":[],"pad":"' + b"x" * 5_000_000 + b'"}\n\n'
        engine.fault(Garbage(after=2, data=huge))
        given = await front.complete("x", 8, **STREAM)
        assert huge in given.body and given.done


@live
async def test_an_error_that_the_engine_tells_within_a_stream_passes() -> None:
    async with Engine() as engine, gateway(engine) as front, Client(engine.url) as direct:
        engine.fault(Said(after=3, count=2))
        expected = await direct.complete("x", 8, headers=MARK, **STREAM)
        given = await front.complete("x", 8, headers=MARK, **STREAM)
        assert given.body == expected.body and b"scripted" in given.body
        assert front.last["why"]


@live
async def test_where_all_engines_fail_the_client_hears_of_it() -> None:
    async with Engine() as one, Engine() as two, gateway(one, two, timeouts=PATIENT) as front:
        one.fault(Reset(count=-1))
        two.fault(Reset(count=-1))
        given = await front.complete("x")
        assert given.status == 502 and given.json["error"]["type"] == "server_error"
        assert len(one.served) == len(two.served) == 1
        assert front.last["status"] == 502 and front.last["retries"] == 1


@live
async def test_the_last_engine_is_quoted_where_it_said_something() -> None:
    async with Engine() as one, gateway(one) as front:
        one.fault(Status(status=429, headers=(("Retry-After", "7"),), body=b'{"error":"full"}'))
        given = await front.complete("x")
        assert (given.status, given.body) == (429, b'{"error":"full"}')
        assert given.headers["Retry-After"] == "7"
        one.fault(Status(status=503, body=b"<html>", headers=(("Content-Type", "text/html"),)))
        given = await front.complete("x")
        assert (given.status, given.body) == (503, b"<html>")
        assert given.headers["Content-Type"].startswith("text/html")


@live
async def test_no_more_engines_are_tried_than_it_was_told() -> None:
    async with Engine() as a, Engine() as b, Engine() as c, Engine() as d:
        async with gateway(a, b, c, d, retries=1) as front:
            for engine in (a, b, c, d):
                engine.fault(Status(status=503, count=-1))
            assert (await front.complete("x")).status == 503
            assert sum(len(engine.served) for engine in (a, b, c, d)) == 2
        async with gateway(a, b, c, d, retries=0) as front:
            assert (await front.complete("x")).status == 503
            assert sum(len(engine.served) for engine in (a, b, c, d)) == 3


@live
async def test_a_request_has_a_time_in_all() -> None:
    async with Engine(gap=0.02) as engine:
        slow = PATIENT | {"total": 0.3}
        async with gateway(engine, timeouts=slow) as front:
            assert (await front.complete("x", 500)).status == 504
            given = await front.complete("x", 500, **STREAM)
            assert given.status == 200 and not given.done and b'"error"' in given.body
            await until(lambda: engine.outcomes["cancelled"] == 2)
            assert not engine.load.running


@live
async def test_what_one_500_says_of_an_engine_depends_on_the_others() -> None:
    """A request that makes every engine fail must not take all engines down."""
    async with Engine() as one, Engine() as two, gateway(one, two, recovery=60.0) as front:
        for engine in (one, two):
            engine.fault(Status(status=500, match="poison", count=-1))
        for _ in range(6):
            assert (await front.complete("poison")).status == 500
        assert (await front.complete("fine")).status == 200


async def _unsettled(front: Front, engine: Engine) -> None:
    await until(lambda: not engine.load.running)
    assert (await front.complete("x")).status == 200


@live
async def test_a_fault_leaves_nothing_behind() -> None:
    """After every fault, with one engine alone, connections and counts are as before."""
    async with Engine() as engine, gateway(engine, timeouts=PATIENT, failures=1000) as front:
        for fault in (one for one in BEFORE + AFTER if not isinstance(one, Hang)):
            for fields in ({}, STREAM):
                engine.fault(fault)
                await front.complete("x", 20, **fields)
                await asyncio.wait_for(_unsettled(front, engine), 5)
        await front.settled()
        assert await front.count("backend_in_flight", backend=front.names[0]) == 0
        assert await front.count("requests_in_flight") == 0
        assert await front.count("queue") == 0
