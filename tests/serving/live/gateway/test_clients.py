"""Clients leave, read slowly, or send what no engine should see."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from typing import Any

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("uvicorn")

from hocket.serving.live.gateway import app
from tests.serving.live.gateway.client import Client, Raw, live, posted, until
from tests.serving.live.gateway.engine import Engine, Shape
from tests.serving.live.gateway.front import Front, gateway

STREAM = {"stream": True}
LONG = {"model": "tiny", "prompt": "x", "max_tokens": 100_000, "ignore_eos": True}


def asked(**fields: Any) -> bytes:
    """The bytes of a request for a completion."""
    return posted("/v1/completions", json.dumps(LONG | fields).encode())


@pytest.mark.parametrize("resume", [False, True], ids=["plain", "resumable"])
@pytest.mark.parametrize("fields", [{}, STREAM], ids=["whole", "stream"])
@live
async def test_a_client_that_leaves_ends_its_request_at_the_engine(
    fields: dict[str, Any], resume: bool
) -> None:
    async with (
        Engine(gap=0.005) as engine,
        gateway(engine, backend={"resume": resume}) as front,
    ):
        for abrupt in (False, True):
            raw = await Raw.open(front.url)
            await raw.send(asked(**fields))
            if fields:
                await raw.until(b'"text"')
            else:
                await until(lambda: engine.load.running)
            before = engine.outcomes["cancelled"]
            if abrupt:
                raw.writer.transport.abort()
            else:
                await raw.close()
            await until(lambda before=before: engine.outcomes["cancelled"] == before + 1)
            await front.settled()
            assert not engine.load.running
            assert front.last["status"] == 499
        assert await front.count("clients_gone_total") == 2
        assert await front.count("requests_total", status="499") == 2
        assert await front.count("broken_streams_total") == 0
        assert (await front.complete("x", 3)).status == 200


@live
async def test_a_client_that_leaves_before_its_engine_answers() -> None:
    async with Engine(prefill=60.0) as engine, gateway(engine) as front:
        raw = await Raw.open(front.url)
        await raw.send(asked(**STREAM))
        await until(lambda: engine.load.running)
        await raw.close()
        await until(lambda: engine.outcomes == {"cancelled": 1})
        await front.settled()
        assert front.last["status"] == 499


@live
async def test_a_client_that_leaves_while_it_waits_never_reaches_an_engine() -> None:
    async with Engine(gap=0.005) as engine, gateway(engine, backend={"in_flight": 1}) as front:
        first = await Raw.open(front.url)
        await first.send(asked(**STREAM))
        await until(lambda: engine.load.running)
        others = [await Raw.open(front.url) for _ in range(5)]
        for raw in others:
            await raw.send(asked(**STREAM))
        await front.until("queue", 5)
        for raw in others:
            await raw.close()
        await front.until("queue", 0)
        assert len(engine.served) == 1
        await first.close()
        await front.settled()
        assert (await front.complete("x", 3)).status == 200
        assert [line["status"] for line in front.requests] == [499] * 6 + [200]


@live
async def test_who_reads_slowly_slows_the_engine_and_fills_no_memory() -> None:
    pad, tokens = 50_000, 1_600
    async with Engine() as engine, gateway(engine) as front:
        engine.fault(Shape(pad=pad))
        raw = await Raw.open(front.url)
        await raw.send(asked(**STREAM, max_tokens=tokens))  # 80 MB
        seen = -1
        while not engine.served or seen != engine.served[0].sent:
            seen = engine.served[0].sent if engine.served else -1
            await asyncio.sleep(0.2)
        assert 0 < seen * pad < 40_000_000
        assert (await front.complete("y", 3)).status == 200  # others do not notice
        total, tail = 0, b""
        while not tail.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
            more = await raw.reader.read(1 << 18)
            assert more
            total, tail = total + len(more), (tail + more)[-100:]
        assert total > tokens * pad
        await raw.close()
        await front.settled()
        assert [line["status"] for line in front.requests] == [200, 200]


BAD: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{nope",
    "half a JSON": b'{"model":"tiny","prompt":"x',
    "no UTF-8": b'{"model":"tiny","prompt":"\xff\xfe"}',
    "UTF-16": '{"model":"tiny","prompt":"x"}'.encode("utf-16"),
    "zero bytes": b"\x00" * 100,
    "an array": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "a number": b"1e999",
    "deep arrays": b'{"model":"tiny","prompt":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a deep message": b'{"model":"tiny","messages":[{"role":"user","content":'
    + b'[{"a":' * 20_000 + b"1" + b"}]" * 20_000 + b"}]}",
    "a prompt of objects": b'{"model":"tiny","prompt":{"a":1}}',
    "a prompt of floats": b'{"model":"tiny","prompt":[1.5]}',
    "a prompt of both": b'{"model":"tiny","prompt":["a",1]}',
    "a model that is a number": b'{"model":7,"prompt":"x"}',
    "max_tokens as text": b'{"model":"tiny","prompt":"x","max_tokens":"many"}',
    "a stream that is a text": b'{"model":"tiny","prompt":"x","stream":"yes"}',
    "a priority that is none": b'{"model":"tiny","prompt":"x","priority":[]}',
    "two values": b'{"model":"tiny","prompt":"x"}{"model":"tiny","prompt":"x"}',
}  # fmt: skip


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
@live
async def test_what_is_no_request_is_refused_and_reaches_no_engine(body: bytes) -> None:
    async with Engine() as engine, gateway(engine) as front:
        for path in ("/v1/completions", "/v1/chat/completions"):
            given = await front.post(path, body)
            assert given.status == 400, given.body
            assert given.json["error"]["type"] == "invalid_request_error"
            assert len(given.body) < 1000
        assert not engine.served
        assert (await front.complete("x", 2)).status == 200


ODD: dict[str, bytes] = {
    "huge numbers": b'{"model":"tiny","prompt":"x","max_tokens":3,"seed":%s}' % (b"9" * 4000),
    "huge token ids": b'{"model":"tiny","prompt":[%s],"max_tokens":3}' % (b"9" * 30),
    "negative ids": b'{"model":"tiny","prompt":[-5],"max_tokens":3}',
    "a name twice": b'{"model":"tiny","prompt":"a","prompt":"b","max_tokens":3}',
    "half a surrogate": b'{"model":"tiny","prompt":"\\ud800","max_tokens":3}',
    "a priority beyond all": b'{"model":"tiny","prompt":"x","max_tokens":3,"priority":%s}'
    % (b"9" * 18),
    "no limit": b'{"model":"tiny","prompt":"x","max_tokens":null}',
    "hints of odd types": b'{"model":"tiny","prompt":"x","max_tokens":3,"vllm_xargs":'
    b'{"tenant":{"a":1},"expected_tokens":"many"}}',
    "a hint without end": b'{"model":"tiny","prompt":"x","max_tokens":3,"vllm_xargs":'
    b'{"expected_tokens":1e308}}',
    "many choices": b'{"model":"tiny","prompt":"x","max_tokens":3,"n":-5}',
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
@live
async def test_odd_requests_are_left_to_the_engine_or_refused(body: bytes) -> None:
    async with (
        Engine() as engine,
        Client(engine.url) as direct,
        gateway(engine, backend={"resume": True}) as front,
    ):
        mark = {"x-request-id": "same"}
        expected = await direct.post("/v1/completions", body, headers=mark)
        given = await front.post("/v1/completions", body, headers=mark)
        if given.status == 400 and len(engine.served) == 1:
            assert given.json["error"]["message"]
        else:
            assert (given.status, given.body) == (expected.status, expected.body)
        assert (await front.complete("x", 2)).status == 200
        await front.settled()


@live
async def test_bodies_have_a_largest_size() -> None:
    async with Engine() as engine, gateway(engine, bounds={"body": 10_000}) as front:
        small = b'{"model":"tiny","prompt":"%s","max_tokens":1}'
        fits = small % (b"x" * (10_000 - len(small) + 2))
        assert len(fits) == 10_000
        assert (await front.post("/v1/completions", fits)).status == 200
        large = await front.post("/v1/completions", fits + b" ")
        assert large.status == 413 and large.json["error"]["code"] == "request_too_large"

        async def parts() -> Any:
            for _ in range(1_000):
                yield b"x" * 100

        raw = await Raw.open(front.url)  # one that never ends, and does not say how long it is
        head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        await raw.send(head + b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
        await raw.send((b"1000\r\n" + b"x" * 0x1000 + b"\r\n") * 3)
        assert b" 413 " in await raw.until(b"\r\n")
        await raw.close()
        raw = await Raw.open(front.url)  # one that says it, and sends nothing
        await raw.send(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n")
        assert b" 413 " in await raw.until(b"\r\n")
        await raw.close()
        assert len(engine.served) == 1
        assert (await front.complete("x", 2)).status == 200


@live
async def test_a_body_may_come_in_chunks_and_slowly() -> None:
    async with Engine() as engine, gateway(engine) as front:
        body = json.dumps(LONG | {"max_tokens": 3}).encode()
        raw = await Raw.open(front.url)
        head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        await raw.send(head)
        for byte in body:
            await raw.send(b"1\r\n" + bytes([byte]) + b"\r\n")
            await asyncio.sleep(0)
        await raw.send(b"0\r\n\r\n")
        assert b" 200 " in await raw.until(b'"usage"')
        await raw.close()
        assert engine.served[-1].body == body


@live
async def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_BODY_SECONDS", 0.2)
    async with Engine() as engine, gateway(engine) as front:
        slow = [await Raw.open(front.url) for _ in range(20)]
        for raw in slow:
            await raw.send(asked()[:-5])
        assert (await front.complete("x", 2)).status == 200  # while they dawdle
        for raw in slow:
            assert b" 408 " in await raw.until(b"\r\n")
            await raw.close()
        assert len(engine.served) == 1


@live
async def test_half_a_head_holds_nobody_up() -> None:
    async with Engine() as engine, gateway(engine) as front:
        slow = [await Raw.open(front.url) for _ in range(50)]
        for raw in slow:
            await raw.send(b"POST /v1/completions HTTP/1.1\r\nHo")
        assert (await front.complete("x", 2)).status == 200
        for raw in slow:
            await raw.close()
        await front.settled()
        assert len(engine.served) == 1


@live
async def test_requests_in_a_row_on_one_connection_are_answered_in_order() -> None:
    async with Engine() as engine, gateway(engine) as front:
        raw = await Raw.open(front.url)
        bodies = [
            json.dumps(LONG | {"prompt": f"p{n}", "max_tokens": 4}).encode() for n in range(6)
        ]
        marks = [f"x-request-id: row-{n}" for n in range(6)]
        posts = [
            posted("/v1/completions", body, mark) for body, mark in zip(bodies, marks, strict=True)
        ]
        last = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        await raw.send(b"".join(posts) + last)
        answers = await raw.rest()
        places = [answers.index(f'"cmpl-row-{n}"'.encode()) for n in range(6)]
        assert places == sorted(places)
        assert answers.count(b"HTTP/1.1 200 OK") == 7
        await raw.close()


SMUGGLED = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
CONFUSING: dict[str, bytes] = {
    "two lengths": b"Content-Length: 5\r\nContent-Length: 40\r\n",
    "length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "a length that is no number": b"Content-Length: 5x\r\n",
    "a negative length": b"Content-Length: -5\r\n",
    "a length with a sign": b"Content-Length: +5\r\n",
    "chunks twice": b"Transfer-Encoding: chunked, chunked\r\nContent-Length: 5\r\n",
    "odd chunks": b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n",
    "a space before the colon": b"Content-Length : 5\r\nContent-Length: 5\r\n",
}


@pytest.mark.parametrize("headers", CONFUSING.values(), ids=CONFUSING)
@live
async def test_nothing_is_smuggled_past_it(headers: bytes) -> None:
    async with Engine() as engine, gateway(engine) as front:
        raw = await Raw.open(front.url)
        head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n"
        await raw.send(head + b"0\r\n\r\n" + SMUGGLED)
        answered = b""
        with contextlib.suppress(TimeoutError):  # it waits for more of a body, which is as good
            answered = await raw.until(b"never", 0.3)
        await raw.close()
        assert b" 200 " not in answered
        assert not engine.served
        assert (await front.complete("x", 2)).status == 200


@live
async def test_headers_have_a_largest_size_and_carry_nothing_in() -> None:
    async with Engine() as engine, gateway(engine, bounds={"headers": 4096}) as front:
        given = await front.complete("x", 2, headers={"X-Large": "x" * 5_000})
        assert given.status == 431 and not engine.served
        for mark in ("a b", "ünicode", "x" * 65, "", "a\tb", '"', "../../x"):
            given = await front.complete("x", 2, headers={"x-request-id": mark})
            assert given.status == 200
            assert given.headers["X-Request-Id"] == engine.served[-1].headers["x-request-id"]
            assert given.headers["X-Request-Id"].isalnum()
        for name in ("x" * 1000, "a\tb", "{}", '"'):
            assert (await front.complete("x", 2, headers={"x-hocket-tenant": name})).status == 200
            assert front.last["tenant"] in (name.strip(), "default")
        model = 'tiny"} 1\nevil{a="\r\nX: 1'
        given = await front.complete("x", 2, model=model)
        assert given.status == 404 and "X" not in given.headers
        assert b"evil{" not in (await front.get("/metrics")).body
        assert len(front.lines) == len(front.log.getvalue().splitlines())


@live
async def test_old_clients_are_served() -> None:
    async with Engine() as engine, gateway(engine) as front:
        body = json.dumps(LONG | {"max_tokens": 4} | STREAM).encode()
        raw = await Raw.open(front.url)
        await raw.send(posted("/v1/completions", body, version="1.0"))
        answer = await raw.rest()
        assert b" 200 " in answer.split(b"\r\n")[0]
        assert answer.count(b"data: ") == 5 and b"[DONE]" in answer
        await raw.close()
        raw = await Raw.open(front.url)
        head, rest = posted("/v1/completions", body, "Expect: 100-continue").split(b"\r\n\r\n", 1)
        await raw.send(head + b"\r\n\r\n")
        assert b"HTTP/1.1 100 Continue" in await raw.until(b"\r\n\r\n")
        await raw.send(rest)
        assert b"[DONE]" in await raw.until(b"[DONE]")
        await raw.close()
        for method, path, status in (
            ("HEAD", "/health", 200), ("OPTIONS", "/v1/completions", 405), ("PUT", "/metrics", 405),
            ("GET", "/v1/completions", 405), ("DELETE", "/", 404),
        ):  # fmt: skip
            async with front.session.request(method, front.url + path) as response:
                assert response.status == status, (method, path)
        assert len(engine.served) == 2


@live
async def test_websockets_are_turned_away() -> None:
    async with Engine() as engine, gateway(engine) as front:
        raw = await Raw.open(front.url)
        await raw.send(
            b"GET /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n"
        )
        status = (await raw.until(b"\r\n")).split(b" ")[1]
        assert status[:1] == b"4"
        await raw.close()


async def _sound(front: Front) -> None:
    assert (await front.complete("x", 2)).status == 200


@live
async def test_random_bytes_do_no_harm() -> None:
    luck = random.Random(3)
    async with Engine() as engine, gateway(engine) as front:
        for case in range(60):
            raw = await Raw.open(front.url)
            whole = asked(max_tokens=2)
            spoiled = bytearray(whole)
            for _ in range(luck.randint(1, 4)):
                spoiled[luck.randrange(len(spoiled))] = luck.randrange(256)
            await raw.send(bytes(spoiled if case % 2 else luck.randbytes(luck.randint(1, 300))))
            raw.writer.write_eof()
            await raw.rest()
            await raw.close()
        await front.settled()
        await _sound(front)
        assert not engine.load.running
