"""A thousand streams at a time, and engines that fail under them: every one is accounted for."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("uvicorn")

from tests.serving.live.gateway.client import Reply, live, until
from tests.serving.live.gateway.engine import Cut, Engine, Reset, Status, model
from tests.serving.live.gateway.front import Front, gateway

COUNT, TOKENS = 1_000, 8


def expected(prompt: str) -> str:
    """What the engines say to a prompt."""
    tokens = model.tokenize(prompt)
    said = model.answer(tokens, TOKENS, ends=False)
    spelling = model.Spelling(tokens)
    return "".join(spelling.text(token, final=n == TOKENS) for n, token in enumerate(said, 1))


async def thousand(front: Front, **fields: Any) -> list[Reply]:
    """As many streams at once."""
    return await asyncio.gather(
        *(front.complete(f"prompt {n}", TOKENS, stream=True, **fields) for n in range(COUNT))
    )


@live
async def test_all_arrive() -> None:
    async with (
        Engine(gap=0.05) as a,
        Engine(gap=0.05) as b,
        gateway(a, b, policy="serving/round-robin") as front,
    ):
        replies = await thousand(front)
        for n, reply in enumerate(replies):
            assert (reply.status, reply.error, reply.done) == (200, "", True)
            assert reply.text == expected(f"prompt {n}")
        assert a.load.most + b.load.most > COUNT // 2  # they were under way together
        assert a.outcomes == b.outcomes == {"finished": COUNT // 2}
        assert await front.count("requests_total", status="200") == COUNT


@live
async def test_nothing_is_lost_but_what_died_midway_which_is_told() -> None:
    luck = random.Random(1)
    async with (
        Engine(gap=0.02) as a,
        Engine(gap=0.02) as b,
        Engine(gap=0.02) as c,
        Engine(gap=0.02) as d,
        gateway(a, b, c, d, failures=10**6, retries=4) as front,
    ):
        for engine in (a, b, c):
            for _ in range(25):
                after = luck.randint(1, TOKENS - 1)
                engine.fault(luck.choice([Reset(), Status(status=503), Reset(after=after)]))
                engine.fault(luck.choice([Status(status=429), Cut(after=after)]))
        asked = asyncio.create_task(thousand(front))
        await until(lambda: d.load.answered > 300)
        await d.kill()  # all that it had begun is lost
        replies = await asked
        fates = Counter(fate(reply, n) for n, reply in enumerate(replies))
        assert sum(fates.values()) == COUNT and set(fates) == {"whole", "broken"}
        # Only streams broke that had begun at an engine that failed; a reset may have overtaken
        # the first token of some, which were begun anew.
        begun = [one for engine in (a, b, c, d) for one in engine.served if one.sent]
        died = [one for one in begun if one.outcome != "finished"]
        assert 50 < fates["broken"] <= len(died)
        await front.settled()
        assert await front.count("requests_total") == COUNT == len(front.requests)
        assert await front.count("requests_total", status="200") == fates["whole"]
        assert await front.count("broken_streams_total") == fates["broken"]
        assert await front.count("clients_gone_total") == 0
        assert not any(engine.load.running for engine in (a, b, c))


def fate(reply: Reply, n: int) -> str:
    """How a stream ended; a stream that ended in no proper way is an error."""
    end = expected(f"prompt {n}")
    assert (reply.status, reply.error) == (200, "")
    if reply.done:
        assert reply.text == end
        return "whole"
    assert "error" in reply.chunks[-1] and end.startswith(reply.text) and reply.text
    return "broken"


@live
async def test_where_streams_can_be_resumed_nothing_is_lost_at_all() -> None:
    luck = random.Random(2)
    options: dict[str, Any] = {"failures": 10**6, "backend": {"resume": True}}
    async with (
        Engine(gap=0.02) as a,
        Engine(gap=0.02) as b,
        Engine(gap=0.02) as c,
        gateway(a, b, c, **options) as front,
    ):
        for engine in (a, b):
            engine.fault(*(Reset(after=luck.randint(0, TOKENS)) for _ in range(100)))
        asked = asyncio.create_task(thousand(front))
        await until(lambda: c.load.answered > 300)
        await c.kill()
        replies = await asked
        assert [fate(reply, n) for n, reply in enumerate(replies)] == ["whole"] * COUNT
        resumed = await front.count("resumed_total", cause="failed")
        assert resumed > 100
        assert await front.count("broken_streams_total") == 0
        assert await front.count("requests_total", status="200") == COUNT


@live
async def test_clients_leave_in_crowds() -> None:
    luck = random.Random(3)
    async with (
        Engine(gap=0.02) as a,
        Engine(gap=0.02) as b,
        gateway(a, b, backend={"in_flight": 150}) as front,
    ):
        tasks = [
            asyncio.create_task(front.complete(f"prompt {n}", TOKENS, stream=n % 2 == 0))
            for n in range(600)
        ]
        leaving = [task for task in tasks if luck.random() < 0.5]
        await until(lambda: a.load.answered > 300)
        for task in leaving:
            task.cancel()
        stayed = [task for task in tasks if task not in leaving]
        for reply in await asyncio.gather(*stayed):
            assert (reply.status, reply.error) == (200, "")
        await front.settled()
        await until(lambda: not a.load.running and not b.load.running)
        statuses = Counter(line["status"] for line in front.requests)
        left = sum(task.cancelled() for task in tasks)
        assert statuses[200] + statuses[499] == 600 - unsent(front, tasks)
        assert statuses[200] >= len(stayed) and left > 100
        assert a.load.most <= 150 and b.load.most <= 150
        assert await front.count("queue") == await front.count("requests_in_flight") == 0


def unsent(front: Front, tasks: list[Any]) -> int:
    """Requests whose client left before all of it had been sent."""
    return len(tasks) - len(front.requests)
