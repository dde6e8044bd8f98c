"""What comes through the gateway is what the engine said, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("uvicorn")

from tests.serving.live.gateway.client import Client, Raw, live, posted
from tests.serving.live.gateway.engine import Engine, Shape, Status
from tests.serving.live.gateway.front import gateway

MARK = {"x-request-id": "the-very-same"}
STREAM = {"stream": True}
USAGE = {"include_usage": True, "continuous_usage_stats": True}
ASKED: dict[str, dict[str, Any]] = {
    "whole": {},
    "stream": STREAM,
    "ids": STREAM | {"return_token_ids": True},
    "usage": STREAM | {"stream_options": USAGE},
    "ids-whole": {"return_token_ids": True},
    "ends": STREAM | {"ignore_eos": False},
    "two": STREAM | {"n": 2},
    "two-whole": {"n": 2},
    "least": STREAM | {"ignore_eos": False, "min_tokens": 30},
    "unknown-field": STREAM | {"something": {"of": [1, None]}, "top_k": 3},
}
PROMPTS = ("Tell me", "日本語 and é\n\t\x00😀", "x" * 3000)


@pytest.mark.parametrize("resume", [False, True], ids=["plain", "resumable"])
@pytest.mark.parametrize("fields", ASKED.values(), ids=ASKED)
@live
async def test_bytes_are_those_of_a_direct_call(fields: dict[str, Any], resume: bool) -> None:
    backend = {"resume": resume}
    async with (
        Engine() as engine,
        gateway(engine, backend=backend) as front,
        Client(engine.url) as direct,
    ):
        for prompt in PROMPTS:
            for kind in ("complete", "chat"):
                await getattr(direct, kind)(prompt, 40)  # what is cached is told, too
                expected = await getattr(direct, kind)(prompt, 40, headers=MARK, **fields)
                given = await getattr(front, kind)(prompt, 40, headers=MARK, **fields)
                assert expected.status == 200 and expected.text
                assert given.body == expected.body
                assert (given.status, given.error) == (200, "")
                assert given.headers["Content-Type"] == expected.headers["Content-Type"]
                before, after = engine.served[-2:]
                assert after.path == before.path
                if not resume:
                    assert after.body == before.body


SHAPES = [
    Shape(size=1), Shape(size=2), Shape(size=3), Shape(size=50), Shape(merge=3),
    Shape(merge=1000), Shape(merge=4, size=91), Shape(pad=100_000), Shape(crlf=True),
    Shape(crlf=True, size=1),
]  # fmt: skip


@pytest.mark.parametrize("resume", [False, True], ids=["plain", "resumable"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@live
async def test_it_does_not_matter_in_which_pieces_events_come(shape: Shape, resume: bool) -> None:
    backend = {"resume": resume}
    async with Engine() as engine, gateway(engine, backend=backend) as front:
        async with Client(engine.url) as direct:
            for kind in ("complete", "chat"):
                engine.fault(shape, shape)
                fields = {"stream_options": USAGE, "headers": MARK, **STREAM}
                expected = await getattr(direct, kind)("Tell me", 9, **fields)
                given = await getattr(front, kind)("Tell me", 9, **fields)
                assert given.body == expected.body and given.done
        assert front.last["answer"] == 9
        assert "malformed" not in front.last


@live
async def test_token_prompts_pass() -> None:
    async with Engine() as engine, gateway(engine) as front, Client(engine.url) as direct:
        prompt = [5, 6, 7, 200, 255]
        expected = await direct.complete(prompt, headers=MARK)
        assert (await front.complete(prompt, headers=MARK)).body == expected.body
        assert front.last["prompt"] == 5


@live
async def test_what_an_engine_refuses_is_told_in_its_words() -> None:
    async with Engine() as engine, gateway(engine) as front, Client(engine.url) as direct:
        for prompt, limit in (("x", 0), ("x", 10**9), ([999], 5)):
            expected = await direct.complete(prompt, limit)
            given = await front.complete(prompt, limit)
            assert (given.status, given.body) == (400, expected.body)
        for status in (401, 403, 404, 409, 413, 418, 422):
            body = b'{"error":{"message":"\xc3\xa9","code":%d}}' % status
            engine.fault(Status(status=status, body=body, headers=(("X-Own", "yes"),)))
            given = await front.complete("x")
            assert (given.status, given.body) == (status, body)
            assert given.headers["X-Own"] == "yes"
        assert len(engine.served) == 3 + 3 + 7  # none of them was tried again


@live
async def test_headers_go_through_but_for_those_of_the_connection() -> None:
    async with Engine() as engine, gateway(engine) as front:
        sent = {"X-Mine": "one", "Authorization": "Bearer to-the-engine", "X-Hocket-Tenant": "me"}
        await front.complete("x", headers=sent)
        came = engine.served[-1].headers
        assert (came["x-mine"], came["authorization"]) == ("one", "Bearer to-the-engine")
        assert not any(name.startswith("x-hocket") for name in came)
        raw = await Raw.open(front.url)
        body = json.dumps({"model": "tiny", "prompt": "x", "max_tokens": 2}).encode()
        await raw.send(
            posted(
                "/v1/completions", body, "Connection: close, x-drop", "X-Drop: 1", "TE: trailers",
                "Keep-Alive: timeout=9", "X-Keep: 2", "Proxy-Authorization: Basic x",
            )
        )  # fmt: skip
        assert b" 200 " in (await raw.rest()).split(b"\r\n")[0]
        await raw.close()
        came = engine.served[-1].headers
        assert came["x-keep"] == "2"
        assert not {"x-drop", "te", "keep-alive", "proxy-authorization"} & set(came)
        engine.fault(Status(status=200, headers=(("X-Back", "b"), ("Keep-Alive", "timeout=1"))))
        answer = await front.complete("x")
        assert answer.headers["X-Back"] == "b" and "Keep-Alive" not in answer.headers


@live
async def test_each_request_has_an_id_and_the_client_may_choose_it() -> None:
    async with Engine() as engine, gateway(engine) as front:
        given = await front.complete("x", headers={"x-request-id": "mine-1"})
        assert given.headers["X-Request-Id"] == "mine-1"
        assert engine.served[-1].headers["x-request-id"] == "mine-1"
        made = {(await front.complete("x")).headers["X-Request-Id"] for _ in range(5)}
        assert len(made) == 5 and "mine-1" not in made


@live
async def test_models_and_health() -> None:
    async with Engine(name="tiny") as one, Engine(name="other") as two, gateway(one, two) as front:
        listed = (await front.get("/v1/models")).json
        assert {entry["id"] for entry in listed["data"]} == {"tiny", "other"}
        assert listed["object"] == "list"
        assert (await front.get("/health")).status == (await front.get("/ready")).status == 200
        for model, engine in (("tiny", one), ("other", two)):
            for _ in range(3):
                assert (await front.complete("x", model=model)).status == 200
            assert len(engine.served) == 3
        unknown = await front.complete("x", model="third")
        assert unknown.status == 404 and "third" in unknown.json["error"]["message"]
        assert len(one.served) == len(two.served) == 3
        for path in ("/", "/v2/completions", "/v1/completions/x", "/../etc/passwd"):
            assert (await front.get(path)).status == 404
        assert (await front.get("/v1/completions")).status == 405
