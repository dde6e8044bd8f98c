"""The policies of the dispatch role in front of engines, and their decisions asked again."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("uvicorn")

from hocket.core.load import load_policy
from hocket.serving.live.gateway.decisions import replay
from hocket.serving.policies import dispatch
from tests.serving.live.gateway.client import Client, live, until
from tests.serving.live.gateway.engine import Engine, model
from tests.serving.live.gateway.front import gateway

STREAM = {"stream": True}
SHUTTLE = str(Path(__file__).with_name("shuttle.py"))
POLICIES: dict[str, Any] = {
    policy.name.removeprefix("serving/"): policy.name for policy in dispatch.POLICIES
} | {
    "fewest": {"policy": "serving/round-robin", "fewest": True},
    "by tokens": {"policy": "serving/least-outstanding", "unit": "tokens"},
    "three choices": {"policy": "serving/power-of-two", "choices": 3},
    "infaas artifact": {"policy": "serving/infaas", "mode": "artifact"},
    "freeness artifact": {"policy": "serving/freeness", "mode": "artifact"},
    "llumnix": "serving/llumnix",
    "llumnix artifact": {"policy": "serving/llumnix", "mode": "artifact"},
    "distserve": "serving/distserve",
    "a batching policy": "serving/sarathi",
    "a combination": {"policy": "serving/system", "dispatch": "serving/power-of-two"},
    "a file": SHUTTLE,
}


def answer(prompt: str, limit: int) -> str:
    """What the engines say to a prompt."""
    tokens = model.tokenize(prompt)
    return model.text(model.answer(tokens, limit, ends=False), tokens)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@live
async def test_every_policy_serves_and_decides_the_same_again(policy: Any, tmp_path: Path) -> None:
    record = tmp_path / "decisions.jsonl"
    shared = "All of these begin alike. " * 20
    async with (
        Engine(gap=0.001, slots=4) as a,
        Engine(gap=0.001, slots=4, blocks=200) as b,
        Engine(gap=0.001, slots=4, told=False) as c,
    ):
        options: dict[str, Any] = {"record": str(record), "backend": {"resume": True}}
        async with gateway(a, b, c, policy=policy, seed=5, **options) as front:
            prompts = [f"{shared if n % 3 else ''}Request {n}" for n in range(48)]
            replies = []
            for wave in range(3):  # so that what the engines tell has its part in it
                replies += await asyncio.gather(
                    *(
                        front.complete(prompt, 20, stream=n % 2 == 0, priority=n % 5 - 2)
                        for n, prompt in enumerate(prompts[16 * wave : 16 * (wave + 1)])
                    )
                )
                await asyncio.sleep(0.03)
            for prompt, reply in zip(prompts, replies, strict=True):
                end = answer(prompt, 20)
                assert reply.status == 200 and reply.text.rstrip("�") == end.rstrip("�")
            reasons = [line.get("reason", "") for line in front.requests]
            assert all(reasons)
    # The record names a policy; one that is in a file of its own has to be given again.
    found = replay(record, load_policy(SHUTTLE) if policy == SHUTTLE else None)
    assert found.decisions >= 48 and found.identical, found.first


@live
async def test_a_record_that_was_changed_is_found_out(tmp_path: Path) -> None:
    record = tmp_path / "decisions.jsonl"
    async with (
        Engine() as a,
        Engine() as b,
        gateway(a, b, policy="serving/round-robin", record=str(record)) as front,
    ):
        for _ in range(6):
            await front.complete("x", 2)
    assert replay(record).identical
    lines = record.read_bytes().splitlines(keepends=True)
    decided = msgspec.json.decode(lines[3])
    other = next(name for name in decided["names"] if name != decided["replica"])
    decided["replica"] = other
    lines[3] = msgspec.json.encode(decided) + b"\n"
    record.write_bytes(b"".join(lines))
    found = replay(record)
    assert (found.decisions, found.different) == (6, 1) and other in found.first
    del lines[3]
    record.write_bytes(b"".join(lines))
    assert replay(record).different == 3  # all that come after it are out of turn


@live
async def test_a_record_holds_no_prompt_and_names_no_key(tmp_path: Path) -> None:
    record = tmp_path / "decisions.jsonl"
    async with Engine() as a, Engine() as b:
        policy = "serving/cache-aware"
        async with gateway(a, b, policy=policy, record=str(record)) as front:
            for ask in (front.complete, front.chat):
                secret = "sesame " * 100
                reply = await ask(secret, 5, headers={"Authorization": "Bearer open-up-please"})
                assert reply.status == 200
    written = record.read_bytes()
    assert b"sesame" not in written and b"open-up" not in written and written.count(b"\n") == 3


@live
async def test_turns_are_even() -> None:
    async with (
        Engine() as a,
        Engine() as b,
        Engine() as c,
        gateway(a, b, c, policy="serving/round-robin") as front,
    ):
        await asyncio.gather(*(front.complete("x", 2) for _ in range(30)))
        assert [len(engine.served) for engine in (a, b, c)] == [10, 10, 10]


@live
async def test_the_least_loaded_is_the_one_that_answers_fastest() -> None:
    """By its own counts the gateway sees who is slow, before anyone tells it."""
    async with (
        Engine(gap=0.02, told=False) as slow,
        Engine(told=False) as fast,
        gateway(slow, fast, policy="serving/least-outstanding") as front,
    ):
        held = asyncio.create_task(front.complete("x", 10_000))
        await until(lambda: slow.load.running)
        for _ in range(10):
            await front.complete("x", 5)
        assert len(slow.served) == 1 and len(fast.served) == 10
        held.cancel()


@pytest.mark.parametrize("policy", ["least-kv", "infaas", "freeness", "llumnix"])
@live
async def test_what_engines_tell_of_strangers_counts(policy: str) -> None:
    """Requests that did not come through the gateway are seen by what the engine publishes."""
    async with (
        Engine(gap=0.01, blocks=100) as busy,
        Engine(blocks=100) as idle,
        gateway(busy, idle, policy=f"serving/{policy}") as front,
        Client(busy.url) as client,
    ):
        others = [asyncio.create_task(client.complete("y" * 300, 5_000, n=1)) for _ in range(4)]
        await until(lambda: len(busy.load.running) == 4)
        seen = busy.asked["metrics"]
        await until(lambda: busy.asked["metrics"] > seen + 1)
        for _ in range(6):
            assert (await front.complete("x", 3)).status == 200
        assert len(idle.served) == 6
        for task in others:
            task.cancel()
        await until(lambda: not busy.load.running)
        seen = busy.asked["metrics"]
        await until(lambda: busy.asked["metrics"] > seen + 1)
        await front.complete("x", 3)
        assert len(busy.served) == 5  # it is free again, and named first


@live
async def test_prompts_that_begin_alike_meet_at_one_engine() -> None:
    async with (
        Engine() as a,
        Engine() as b,
        Engine() as c,
        gateway(a, b, c, policy="serving/cache-aware") as front,
    ):
        systems = [f"You are assistant number {n}. " * 40 for n in range(6)]
        for turn in range(4):
            for system in systems:
                await front.chat(system + f"Question {turn}", 3)
        homes: dict[str, Counter[int]] = {}
        for place, engine in enumerate((a, b, c)):
            for one in engine.served:
                homes.setdefault(one.asked["messages"][0]["content"][:40], Counter())[place] += 1
        assert len(homes) == 6
        assert all(len(places) == 1 for places in homes.values())
        hits = sum(engine.load.hits for engine in (a, b, c))
        assert hits > 0.7 * sum(engine.load.queried for engine in (a, b, c))


@live
async def test_streams_that_a_policy_moves_go_on_as_they_would_have() -> None:
    async with Engine(gap=0.004) as a, Engine(gap=0.004) as b, Engine(gap=0.004) as c:
        engines = (a, b, c)
        options: dict[str, Any] = {"policy": SHUTTLE, "backend": {"resume": True}, "moves": 50}
        async with gateway(*engines, **options) as front:
            prompts = [f"Request {n}" for n in range(6)]
            replies = await asyncio.gather(
                *(
                    (front.chat if n % 2 else front.complete)(
                        prompt, 60, stream=True, stream_options={"include_usage": True}
                    )
                    for n, prompt in enumerate(prompts)
                )
            )
            for n, (prompt, reply) in enumerate(zip(prompts, replies, strict=True)):
                whole = f"<user>{prompt}\n<assistant>" if n % 2 else prompt
                assert reply.done and not reply.error
                assert reply.text.rstrip("�") == answer(whole, 60).rstrip("�")
                assert reply.chunks[-1]["usage"]["completion_tokens"] == 60
            moved = sum(line.get("moved", 0) for line in front.requests)
            assert moved >= 3
            assert await front.count("resumed_total", cause="moved") == moved
            assert sum(engine.outcomes["cancelled"] for engine in engines) == moved
            assert sum(engine.outcomes["finished"] for engine in engines) == 6
            assert await front.count("broken_streams_total") == 0
            # What had been generated was not generated again.
            tokens = sum(engine.load.answered for engine in engines)
            assert tokens <= 6 * 60 + 4 * moved


@live
async def test_a_request_that_may_not_move_stays() -> None:
    async with Engine(gap=0.004) as a, Engine(gap=0.004) as b:
        options: dict[str, Any] = {"policy": SHUTTLE, "backend": {"resume": True}}
        async with gateway(a, b, **options) as front:
            reply = await front.complete("x", 40, stream=True, frequency_penalty=1.0)
            whole = await front.complete("x", 40)
            assert reply.done and whole.status == 200
            assert not a.served and len(b.served) == 2
            assert all("moved" not in line for line in front.requests)
