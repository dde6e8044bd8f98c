"""The engine that stands in for vLLM does what the other tests lean on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

pytest.importorskip("aiohttp")

from hypothesis import given
from hypothesis import strategies as st

from tests.serving.live.gateway.client import Client, Raw, live, posted, until
from tests.serving.live.gateway.engine import (
    Broken,
    Cut,
    Engine,
    Garbage,
    Hang,
    Length,
    Reset,
    Said,
    Shape,
    Slow,
    Status,
    model,
)
from tests.serving.live.gateway.engine import Raw as RawFault

STREAM = {"stream": True}


@given(st.text(max_size=40), st.integers(1, 60), st.integers(0, 60), st.integers(0, 59))
def test_an_answer_that_is_resumed_goes_on_as_it_would_have(
    prompt: str, limit: int, least: int, cut: int
) -> None:
    tokens = model.tokenize(prompt)
    said = model.answer(tokens, limit, least=least)
    assert len(said) == limit or said[-1] == model.END
    assert model.END not in said[:-1] and len(said) >= min(least, limit)
    begun = said[: min(cut, len(said) - 1)]
    rest = model.answer([*tokens, *begun], limit - len(begun), least=max(0, least - len(begun)))
    assert begun + rest == said


@given(st.lists(st.integers(0, 255)), st.lists(st.integers(0, 255)))
def test_the_hash_of_a_sequence_is_made_step_by_step(before: list[int], after: list[int]) -> None:
    assert model.fold(after, model.fold(before)) == model.fold(before + after)


def test_text_waits_until_its_characters_are_whole() -> None:
    spelling = model.Spelling(b"x")
    assert [spelling.text(token) for token in (model.LEAD, model.TAIL, 97)] == ["", "é", "a"]
    assert model.Spelling([model.LEAD]).text(model.TAIL) == "é"
    assert model.Spelling(b"x").text(model.LEAD, final=True) == "�"


def test_answers_have_characters_of_two_tokens_and_ends() -> None:
    answers = [model.answer(model.tokenize(f"prompt {n}"), 60) for n in range(50)]
    assert any(model.LEAD in said for said in answers)
    assert 10 < sum(said[-1] == model.END for said in answers) < 45


@live
async def test_a_stream_says_what_an_answer_in_one_piece_says() -> None:
    async with Engine() as engine, Client(engine.url) as client:
        for ask in (client.complete, client.chat):
            whole = await ask("Tell me", 40, return_token_ids=True)
            parts = await ask("Tell me", 40, return_token_ids=True, **STREAM)
            again = await ask("Tell me", 40, return_token_ids=True, **STREAM)
            assert parts.body == again.body and parts.done and not parts.error
            assert whole.text == parts.text and whole.tokens == parts.tokens
            assert len(parts.tokens) == 40
        prompt = parts.chunks[0]["prompt_token_ids"]
        assert prompt == model.tokenize("<user>Tell me\n<assistant>")
        assert parts.tokens == model.answer(prompt, 40, ends=False)
        early = await client.complete("Tell me", 40, ignore_eos=False, return_token_ids=True)
        assert early.tokens == model.answer(model.tokenize("Tell me"), 40)
        assert early.json["choices"][0]["finish_reason"] == "stop"
        assert engine.outcomes == {"finished": 7}
        assert engine.load.finished == {"length": 6, "stop": 1}


@live
async def test_tokens_are_taken_as_prompts_and_usage_is_told() -> None:
    async with Engine() as engine, Client(engine.url) as client:
        text = await client.complete("abc", 8)
        ids = await client.complete([97, 98, 99], 8)
        assert text.json == ids.json
        assert text.json["usage"]["prompt_tokens"] == 3
        told = {"include_usage": True, "continuous_usage_stats": True}
        parts = await client.complete("abc", 8, **STREAM, stream_options=told)
        assert parts.text == text.text
        *chunks, last = parts.chunks
        assert [chunk["usage"]["completion_tokens"] for chunk in chunks] == list(range(1, 9))
        assert last["choices"] == [] and last["usage"]["total_tokens"] == 11
        for bad in ("", [], [300], [True], ["a"], None, 7):
            assert (await client.complete(bad)).status == 400
        assert (await client.complete("a", model="other")).status == 404
        tokens = await client.post("/tokenize", {"prompt": "abc"})
        assert tokens.json["tokens"] == [97, 98, 99]


@live
async def test_its_gauges_tell_its_true_load() -> None:
    async with Engine(gap=0.002, slots=2) as engine, Client(engine.url) as client:
        tasks = [asyncio.create_task(client.complete("x" * 32, 60, ignore_eos=True))]
        tasks += [asyncio.create_task(client.complete("x" * 33, 60, **STREAM)) for _ in range(4)]
        await until(lambda: engine.load.waiting == 3)
        told = (await client.get("/metrics")).body.decode()
        assert 'vllm:num_requests_running{engine="0",model_name="tiny"} 2.0' in told
        assert 'vllm:num_requests_waiting{engine="0",model_name="tiny"} 3.0' in told
        usage = next(line for line in told.splitlines() if line.startswith("vllm:kv_cache_usage"))
        assert 4 / 4096 <= float(usage.split()[-1]) <= 12 / 4096
        await asyncio.gather(*tasks)
        assert engine.load.most == 2 and not engine.load.running
        # The first 32 of 33 tokens were known from the first request on, and 16 of 32 are not
        # the whole of it: a prompt's last token is never taken from the cache.
        assert engine.load.hits == 4 * 32


@live
async def test_a_client_that_goes_away_is_noticed() -> None:
    async with Engine(gap=0.005) as engine:
        raw = await Raw.open(engine.url)
        asked = {"model": "tiny", "prompt": "x", "max_tokens": 10_000, "ignore_eos": True}
        await raw.send(posted("/v1/completions", json.dumps(asked | STREAM).encode()))
        await raw.until(b'"text"')
        await raw.close()
        await until(lambda: engine.outcomes == {"cancelled": 1})
        assert not engine.load.running
        waiting = await Raw.open(engine.url)
        await waiting.send(posted("/v1/completions", json.dumps(asked).encode()))
        await until(lambda: engine.load.running)
        await waiting.close()
        await until(lambda: engine.outcomes == {"cancelled": 2})


@live
async def test_the_same_events_come_in_any_pieces() -> None:
    async with Engine() as engine, Client(engine.url) as client:
        plain = await client.complete("x", 12, **STREAM)
        for shape in (Shape(size=1), Shape(size=7), Shape(merge=5), Shape(merge=100)):
            engine.fault(shape)
            assert (await client.complete("x", 12, **STREAM)).body == plain.body
        engine.fault(Shape(crlf=True, pad=50_000))
        padded = await client.complete("x", 12, **STREAM)
        assert padded.events == plain.events and len(padded.body) > 600_000


FATES: list[tuple[Any, str]] = [
    (Reset(), "ServerDisconnectedError"),
    (Reset(headers=True), "ClientPayloadError"),
    (Reset(after=3), "ClientPayloadError"),
    (Cut(after=3), "ClientPayloadError"),
    (Broken(after=3), "ClientPayloadError"),
    (Hang(after=3), "TimeoutError"),
    (RawFault(), "ClientResponseError"),
]


@pytest.mark.parametrize(("fault", "error"), FATES, ids=lambda value: str(value))
@live
async def test_what_ends_an_answer_shows(fault: Any, error: str) -> None:
    seconds = 0.2 if isinstance(fault, Hang) else 20.0
    async with Engine() as engine, Client(engine.url, seconds=seconds) as client:
        engine.fault(fault)
        broken = await client.complete("x", 12, **STREAM, return_token_ids=True)
        known = {error, "ClientOSError", "ConnectionResetError", "ServerTimeoutError"}
        assert broken.error in known | {"ClientConnectorError", "SocketTimeoutError"}
        fine = await client.complete("x", 12, **STREAM, return_token_ids=True)
        assert fine.done and not broken.done
        assert fine.body.startswith(broken.body[: broken.body.rfind(b"\n\n") + 2])
        assert len(broken.tokens if not isinstance(fault, Broken) else [0] * 3) == fault.after


@live
async def test_what_only_disturbs_an_answer_shows() -> None:
    async with Engine() as engine, Client(engine.url) as client:
        whole = await client.complete("x", 12)
        engine.fault(Status(status=503, headers=(("Retry-After", "3"),)))
        refused = await client.complete("x", 12)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "3")
        engine.fault(Slow(after=2, seconds=0.01), Garbage(after=2))
        odd = await client.complete("x", 12, **STREAM)
        assert b"{this is no JSON" in odd.body and odd.done
        engine.fault(Said(after=2))
        told = await client.complete("x", 12, **STREAM)
        assert told.chunks[-1]["error"]["message"] == "scripted" and told.done
        engine.fault(Cut(after=2, clean=True))
        short = await client.complete("x", 12, **STREAM)
        assert not short.error and not short.done and len(short.chunks) == 2
        engine.fault(Length(more=5))
        assert (await client.complete("x", 12)).error == "ClientPayloadError"
        engine.fault(Length(more=-5))
        less = await client.complete("x", 12)  # some clients refuse what comes after the body
        assert less.body in (b"", whole.body[:-5])
        engine.fault(Status(match="cat"))
        assert (await client.complete("dog")).status == 200
        assert (await client.complete("the cat")).status == 500


@live
async def test_it_dies_and_comes_back() -> None:
    engine = Engine(gap=0.005)
    await engine.start()
    async with Client(engine.url) as client:
        asked = asyncio.create_task(client.complete("x", 1000, **STREAM, ignore_eos=True))
        await until(lambda: engine.load.answered > 3)
        await engine.kill()
        assert (await asked).error
        assert (await client.get("/health")).error
        await engine.start()
        assert (await client.get("/health")).status == 200
        assert (await client.complete("x", 4)).status == 200
        await engine.kill()
