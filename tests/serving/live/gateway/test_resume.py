"""Streams that break off go on elsewhere, as if nothing had happened."""

from __future__ import annotations

import random
from typing import Any

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("uvicorn")

from tests.serving.live.gateway.client import Client, Reply, live
from tests.serving.live.gateway.engine import (
    Broken,
    Cut,
    Engine,
    Fault,
    Hang,
    Reset,
    Said,
    Shape,
    Status,
    model,
)
from tests.serving.live.gateway.front import gateway

RESUME = {"resume": True}
STREAM = {"stream": True, "headers": {"x-request-id": "same"}}
USAGE = {"stream_options": {"include_usage": True}}
SETTINGS: dict[str, Any] = {"backend": RESUME, "failures": 10_000}  # idle ones in their order


def reason(reply: Reply) -> list[Any]:
    """The reasons for which the answer ended, of all its chunks."""
    choices = [choice for chunk in reply.chunks for choice in chunk["choices"]]
    return [choice["finish_reason"] for choice in choices if choice["finish_reason"]]


def usage(reply: Reply) -> list[Any]:
    """What was told of usage; once only of a token that was repeated, as it had shown no text."""
    told = [chunk["usage"] for chunk in reply.chunks if chunk.get("usage")]
    return [one for one, before in zip(told, [None, *told], strict=False) if one != before]


def same(given: Reply, expected: Reply) -> None:
    """Check that two streams tell the same, though in other bytes."""
    assert (given.status, given.error) == (200, "")
    assert given.text == expected.text
    assert given.tokens == expected.tokens
    assert given.done and expected.done
    assert reason(given) == reason(expected)
    assert usage(given) == usage(expected)
    for chunk in given.chunks:
        first = expected.chunks[0]
        assert [chunk[name] for name in ("id", "created", "model", "object")] == [
            first[name] for name in ("id", "created", "model", "object")
        ]


def length(prompt: str, wanted: range = range(20, 30)) -> int:
    """A limit at which the answer to a prompt is as long as wanted, and has a long character."""
    for limit in wanted:
        said = model.answer(model.tokenize(prompt), limit, ends=False)
        if model.LEAD in said[:-2]:
            return limit
    raise AssertionError("choose another prompt")


FIELDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ids": {"return_token_ids": True},
    "usage": USAGE,
    "continuous": {"stream_options": {"include_usage": True, "continuous_usage_stats": True}},
    "ends": {"ignore_eos": False, **USAGE},
    "least": {"ignore_eos": False, "min_tokens": 18, "return_token_ids": True},
}


@pytest.mark.parametrize("kind", ["complete", "chat"])
@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
@live
async def test_wherever_a_stream_breaks_it_goes_on(fields: dict[str, Any], kind: str) -> None:
    fields = STREAM | fields
    async with (
        Engine() as bad,
        Engine() as good,
        Client(good.url) as direct,
        gateway(bad, good, **SETTINGS) as front,
    ):
        expected = await getattr(direct, kind)("Tell me", 24, **fields)
        whole = await getattr(direct, kind)("Tell me", 24, **fields | {"return_token_ids": True})
        plain = expected.body.split(b"\n\n")
        for after in range(1, len(whole.tokens) + 1):
            bad.fault(Reset(after=after))
            given = await getattr(front, kind)("Tell me", 24, **fields)
            assert not bad.faults[-1][1]  # it has struck
            same(given, expected)
            # What was said before the break came through byte for byte.
            assert b"\n\n".join(plain[: max(0, after - 2)]) in given.body
            *_, moved = good.served
            if after < len(whole.tokens):
                begun = moved.asked["prompt"]
                assert moved.path == "/v1/completions"
                shown = len(begun) - len(bad.served[-1].prompt)
                assert after - 1 <= shown <= after
                assert moved.asked["max_tokens"] == 24 - shown
            assert front.last["status"] == 200
        assert await front.count("resumed_total", cause="failed") == len(whole.tokens) - 1
        assert await front.count("broken_streams_total") == 0


FAULTS: list[Fault] = [
    Reset(after=5), Cut(after=5), Cut(after=5, clean=True), Broken(after=5), Hang(after=5),
    Said(after=5), Reset(after=1), Said(after=1), Cut(after=23, clean=True),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["complete", "chat"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
@live
async def test_however_it_breaks(fault: Fault, kind: str) -> None:
    patience = 1.0 if isinstance(fault, Hang) else 60.0
    times = {"connect": 60.0, "first": 60.0, "gap": patience, "total": 100.0}
    async with (
        Engine() as bad,
        Engine() as good,
        Client(good.url) as direct,
        gateway(bad, good, timeouts=times, **SETTINGS) as front,
    ):
        for shape in ([], [Shape(size=40)], [Shape(merge=2)], [Shape(merge=3)]):
            expected = await getattr(direct, kind)("Tell me", 24, **STREAM, **USAGE)
            bad.fault(fault, *shape)
            given = await getattr(front, kind)("Tell me", 24, **STREAM, **USAGE)
            assert bad.outcomes[type(fault).__name__] or isinstance(fault, Hang)
            same(given, expected)
            last = front.last  # where nothing had been shown yet, all was asked for again
            assert last.get("resumed", 0) + last.get("retries", 0) == 1 and last["answer"] == 24
            bad.faults.clear()
            if isinstance(fault, Hang):
                break


@live
async def test_random_breaks_in_a_row() -> None:
    """Streams that break several times over, each time at another place."""
    luck = random.Random(7)
    async with Engine() as a, Engine() as b, Engine() as c, Engine() as d:
        engines = (a, b, c, d)
        options = SETTINGS | {"moves": 3}
        async with Client(d.url) as direct, gateway(*engines, **options) as front:
            for case in range(40):
                prompt, limit = f"case {case}", luck.randint(8, 40)
                fields = STREAM | USAGE | {"ignore_eos": luck.random() < 0.5}
                expected = await direct.complete(prompt, limit, **fields)
                breaks = luck.sample(engines, 3)
                for engine in breaks:
                    engine.fault(Reset(after=luck.randint(1, 12)))
                given = await front.complete(prompt, limit, **fields)
                assert given.text == expected.text and given.done
                assert usage(given) == usage(expected) and reason(given) == reason(expected)
                for engine in engines:
                    engine.faults.clear()
            assert sum(line.get("resumed", 0) > 1 for line in front.requests) > 3


@live
async def test_it_goes_on_no_oftener_than_allowed() -> None:
    async with (
        Engine() as a,
        Engine() as b,
        Engine() as c,
        Client(a.url) as direct,
        gateway(a, b, c, moves=1, **SETTINGS) as front,
    ):
        expected = await direct.complete("x", 20, **STREAM)
        a.fault(Reset(after=5))
        b.fault(Reset(after=5))

        given = await front.complete("x", 20, **STREAM)
        assert not given.done and b'"error"' in given.body
        assert len(b.served) == 1 and not c.served
        assert expected.text.startswith(given.text) and len(given.chunks) == 5 + 5 + 1
        assert front.last["resumed"] == 1


@live
async def test_an_engine_that_fails_at_once_is_passed_over_by_the_next() -> None:
    async with (
        Engine() as a,
        Engine() as b,
        Engine() as c,
        Client(c.url) as direct,
        gateway(a, b, c, **SETTINGS) as front,
    ):
        for fault in (Reset(), Status(status=503), Status(status=400), Status(status=500)):
            expected = await direct.complete("x", 20, **STREAM)
            a.fault(Reset(after=5))
            b.fault(fault)
            given = await front.complete("x", 20, **STREAM)
            same(given, expected)


UNFIT: dict[str, dict[str, Any]] = {
    "two answers": {"n": 2},
    "a seed": {"temperature": 1.0, "seed": 4},
    "stop texts": {"stop": ["zebra"]},
    "penalties": {"frequency_penalty": 0.5},
    "probabilities": {"logprobs": 1},
    "an echo": {"echo": True},
    "unknown fields": {"dry_multiplier": 0.8},
}


@pytest.mark.parametrize("fields", UNFIT.values(), ids=UNFIT)
@live
async def test_what_would_change_its_meaning_is_not_resumed(fields: dict[str, Any]) -> None:
    async with (
        Engine() as a,
        Engine() as b,
        Client(b.url) as direct,
        gateway(a, b, **SETTINGS) as front,
    ):
        asked = STREAM | fields
        expected = await direct.complete("x", 20, **asked)
        given = await front.complete("x", 20, **asked)
        assert given.body == expected.body
        assert a.served[-1].asked == direct_body(b)
        a.fault(Reset(after=5))
        given = await front.complete("x", 20, **asked)
        assert not given.done and b'"error"' in given.body
        assert "resumed" not in front.last and front.last["status"] >= 500


def direct_body(engine: Engine) -> Any:
    """What the engine was first asked."""
    return engine.served[0].asked


@live
async def test_engines_that_do_not_take_tokens_are_not_asked_to() -> None:
    async with Engine() as a, Engine() as b, gateway(a, b) as front:
        a.fault(Reset(after=5))
        given = await front.complete("x", 20, **STREAM)
        assert not given.done and b'"error"' in given.body and not b.served
        assert "return_token_ids" not in a.served[0].asked


@live
async def test_what_was_complete_but_for_its_end_needs_nobody() -> None:
    """The engine dies between the last token and the end mark."""
    async with (
        Engine() as engine,
        Client(engine.url) as direct,
        gateway(engine, backend=RESUME) as front,
    ):
        for kind in ("complete", "chat"):
            expected = await getattr(direct, kind)("x", 20, **STREAM, **USAGE)
            engine.fault(Reset(after=20))
            given = await getattr(front, kind)("x", 20, **STREAM, **USAGE)
            same(given, expected)
            assert engine.outcomes["Reset"] and front.last["status"] == 200
            front.later(61)
