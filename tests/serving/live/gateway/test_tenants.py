"""Who may ask, how much, and who is served first where engines are scarce."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("uvicorn")

from hocket.serving.live.gateway.keys import hash_key, new_key
from tests.serving.live.gateway.client import Reply, live, until
from tests.serving.live.gateway.engine import Engine
from tests.serving.live.gateway.front import Front, gateway

STREAM = {"stream": True}


def keyring(folder: Path, **keys: str) -> str:
    """A file with the keys of tenants."""
    entries = [{"tenant": tenant, "hash": hash_key(key)} for tenant, key in keys.items()]
    path = folder / "keys.json"
    path.write_bytes(msgspec.json.encode({"keys": entries}))
    return str(path)


def of(tenant: str) -> dict[str, str]:
    """The header of a tenant."""
    return {"x-hocket-tenant": tenant}


def retry_after(reply: Reply) -> int:
    """Seconds after which a refused client may try again."""
    assert reply.json["error"]["type"] in ("rate_limit_error", "server_error")
    return int(reply.headers["Retry-After"])


@live
async def test_only_who_has_a_key_may_ask(tmp_path: Path) -> None:
    key, other = new_key(), new_key()
    async with (
        Engine() as engine,
        gateway(engine, keys=keyring(tmp_path, shop=key, search=other)) as front,
    ):
        wrong = (
            {}, {"Authorization": ""}, {"Authorization": "Bearer"},
            {"Authorization": "Bearer "}, {"Authorization": f"Basic {key}"},
            {"Authorization": key}, {"Authorization": f"Bearer {key}x"},
            {"Authorization": f"Bearer {key[:-1]}"}, {"Authorization": f"Bearer {key} {other}"},
            {"Authorization": "Bearer " + "é" * 40}, {"Authorization": "Bearer " + "k" * 9000},
            {"Authorization": "Bearer " + hash_key(key)},
        )  # fmt: skip
        for headers in wrong:
            for answer in (
                await front.complete("x", 2, headers=headers),
                await front.complete("x", 2, headers=headers, **STREAM),
                await front.get("/v1/models", headers=headers),
            ):
                assert answer.status == 401, headers
                assert answer.json["error"]["type"] == "authentication_error"
        assert not engine.served
        for tenant, secret in (("shop", key), ("search", other), ("shop", key)):
            told = {"Authorization": f"Bearer {secret}"} | of("someone-else")
            assert (await front.complete("x", 2, headers=told)).status == 200
            assert front.last["tenant"] == tenant
            assert "authorization" not in engine.served[-1].headers
        lower = {"authorization": f"bearer {key}"}
        assert (await front.get("/v1/models", headers=lower)).status == 200
        assert (await front.get("/health")).status == 200  # for those who watch over it
        assert (await front.get("/metrics")).status == 200
        seen = front.log.getvalue() + (await front.get("/metrics")).body
        assert key.encode() not in seen and other.encode() not in seen


@live
async def test_keys_may_change_while_it_runs(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    path = keyring(tmp_path, shop=old)
    async with Engine() as engine, gateway(engine, keys=path) as front:
        assert (await front.complete("x", headers={"Authorization": f"Bearer {old}"})).status == 200
        keyring(tmp_path, shop=new)
        async with asyncio.timeout(10):
            while True:
                told = {"Authorization": f"Bearer {new}"}
                if (await front.complete("x", headers=told)).status == 200:
                    break
                await asyncio.sleep(0.01)
        assert (await front.complete("x", headers={"Authorization": f"Bearer {old}"})).status == 401
        Path(path).write_text("nonsense: [")
        await until(lambda: any(line["event"] == "keys unchanged" for line in front.lines))
        assert (await front.complete("x", headers={"Authorization": f"Bearer {new}"})).status == 200
        assert old not in front.log.getvalue().decode()


@live
async def test_a_tenant_has_its_rates_and_others_do_not_notice() -> None:
    tenants = {"few": {"requests": 60.0, "burst": 3.0}, "short": {"tokens": 600.0, "burst": 10.0}}
    async with Engine() as engine, gateway(engine, tenants=tenants) as front:
        replies = [await front.complete("x", 2, headers=of("few")) for _ in range(8)]
        assert [reply.status for reply in replies[:3]] == [200] * 3
        refused = [reply for reply in replies if reply.status == 429]
        assert len(refused) >= 4 and all(1 <= retry_after(reply) <= 2 for reply in refused)
        prompt = list(range(60))
        assert (await front.complete(prompt, 2, headers=of("short"))).status == 200
        waits = retry_after(await front.complete(prompt, 2, headers=of("short")))
        assert 1 <= waits <= 10
        assert (await front.complete("x", 2, headers=of("anyone"))).status == 200
        front.later(120)
        assert (await front.complete("x", 2, headers=of("few"))).status == 200
        assert (await front.complete(prompt, 2, headers=of("short"))).status == 200
        assert await front.count("shed_total", tenant="few", status="429") == len(refused)
        assert await front.count("shed_total", tenant="short") == 1


@live
async def test_tokens_of_answers_count() -> None:
    tenants = {"short": {"tokens": 60.0, "burst": 60.0}}  # 60 tokens at once, one a second
    async with Engine() as engine, gateway(engine, tenants=tenants) as front:
        for fields in ({}, STREAM):
            assert (await front.complete([1], 100, headers=of("short"), **fields)).status == 200
            refused = await front.complete([1], 1, headers=of("short"), **fields)
            assert refused.status == 429 and 40 <= retry_after(refused) <= 45
            front.later(1000)


@live
async def test_a_tenant_has_so_many_requests_at_a_time() -> None:
    tenants = {"one": {"in_flight": 2}}
    async with Engine(gap=0.005) as engine, gateway(engine, tenants=tenants) as front:
        tasks = [
            asyncio.create_task(front.complete("x", 10_000, headers=of("one"))) for _ in range(2)
        ]
        await until(lambda: len(engine.load.running) == 2)
        refused = await front.complete("x", 2, headers=of("one"))
        assert refused.status == 429 and retry_after(refused) >= 1
        assert (await front.complete("x", 2, headers=of("two"))).status == 200
        for task in tasks:
            task.cancel()
        await front.settled()
        assert (await front.complete("x", 2, headers=of("one"))).status == 200


async def crowd(
    front: Front, engine: Engine, asked: list[tuple[str, int]], **fields: Any
) -> list[str]:
    """The tenants in the order in which their requests reached the engine.

    A first request holds the engine until all of `asked`, pairs of a tenant and how many requests
    it has, wait behind it in this order.
    """
    held = asyncio.create_task(front.complete("hold", 50_000, headers=of("holder")))
    await until(lambda: engine.load.running)
    tasks = []
    waiting = 0
    for tenant, count in asked:
        given = fields.get(tenant, {})
        tasks += [
            asyncio.create_task(front.complete(f"{tenant} asks", 4, headers=of(tenant), **given))
            for _ in range(count)
        ]
        waiting += count
        await front.until("queue", waiting)
    held.cancel()
    replies = await asyncio.gather(*tasks)
    assert all(reply.status == 200 for reply in replies)
    return [bytes(one.prompt).decode().split()[0] for one in engine.served[1:]]


@live
async def test_a_tenant_that_floods_the_queue_delays_itself_alone() -> None:
    async with Engine(gap=0.001) as engine, gateway(engine, backend={"in_flight": 1}) as front:
        order = await crowd(front, engine, [("flood", 60), ("calm", 10)])
        assert Counter(order) == {"flood": 60, "calm": 10}
        # The one that came later is served as often as the one that asks for more.
        assert 8 <= Counter(order[:20])["calm"] <= 10
        assert engine.load.most == 1


@live
async def test_weights_are_shares() -> None:
    tenants = {"gold": {"weight": 3.0}, "iron": {"weight": 1.0}}
    async with (
        Engine(gap=0.001) as engine,
        gateway(engine, backend={"in_flight": 1}, tenants=tenants) as front,
    ):
        order = await crowd(front, engine, [("iron", 30), ("gold", 30)])
        assert 26 <= Counter(order[:40])["gold"] <= 30


@live
async def test_the_urgent_go_first_as_far_as_they_may() -> None:
    tenants = {"modest": {"priority": 0}}
    hurry = {"priority": -5}
    async with (
        Engine(gap=0.001) as engine,
        gateway(engine, backend={"in_flight": 1}, tenants=tenants) as front,
    ):
        order = await crowd(
            front, engine, [("calm", 10), ("modest", 5), ("hurried", 5)],
            hurried=hurry, modest=hurry,
        )  # fmt: skip
        assert order[:5] == ["hurried"] * 5
        assert Counter(order[5:15])["calm"] >= 4  # whom its config forbids to hurry


@live
async def test_the_queue_has_an_end() -> None:
    async with Engine(gap=0.005) as engine:
        bounds = {"queue": 3}
        async with gateway(engine, backend={"in_flight": 1}, bounds=bounds) as front:
            tasks = [asyncio.create_task(front.complete("x", 20)) for _ in range(10)]
            replies = await asyncio.gather(*tasks)
            refused = [reply for reply in replies if reply.status == 429]
            assert len(refused) == 6 and all(retry_after(reply) >= 1 for reply in refused)
            assert sum(reply.status == 200 for reply in replies) == 4
            assert await front.count("shed_total", status="429") == 6


@live
async def test_nobody_waits_for_longer_than_allowed() -> None:
    async with Engine(gap=0.005) as engine:
        bounds = {"wait": 0.2}
        async with gateway(engine, backend={"in_flight": 1}, bounds=bounds) as front:
            first = asyncio.create_task(front.complete("x", 50_000))
            await until(lambda: engine.load.running)
            late = await front.complete("x", 2)
            assert late.status == 429 and retry_after(late) >= 1
            assert len(engine.served) == 1
            first.cancel()
            await front.settled()
            assert (await front.complete("x", 2)).status == 200


@live
async def test_the_gateway_holds_so_many_requests() -> None:
    async with Engine(gap=0.005) as engine, gateway(engine, bounds={"requests": 5}) as front:
        tasks = [asyncio.create_task(front.complete("x", 50_000)) for _ in range(5)]
        await until(lambda: len(engine.load.running) == 5)
        refused = await front.complete("x", 2)
        assert refused.status == 503 and retry_after(refused) >= 1
        for task in tasks:
            task.cancel()
        await front.settled()
        assert (await front.complete("x", 2)).status == 200


@live
async def test_what_would_come_too_late_is_refused_at_once() -> None:
    """Far more is asked for than one engine can do; what is let in is what it can do in time."""
    async with Engine(gap=0.004, slots=2) as engine:
        async with gateway(engine, backend={"in_flight": 2}, ttft=0.6) as front:
            burst = await asyncio.gather(*(front.complete("x", 10) for _ in range(40)))
            assert sum(reply.status == 200 for reply in burst) >= 20  # its speed is known now
            for _ in range(10):
                assert (await front.complete("x", 10)).status == 200
            before = len(engine.served)
            replies = await asyncio.gather(*(front.complete("x", 10) for _ in range(120)))
            counts = Counter(reply.status for reply in replies)
            assert set(counts) == {200, 429} and counts[200] >= 2 and counts[429] >= 20
            assert all(retry_after(reply) >= 1 for reply in replies if reply.status == 429)
            assert len(engine.served) == before + counts[200]
            assert await front.count("shed_total", status="429") == sum(
                line["status"] == 429 for line in front.requests
            )
            assert (await front.complete("x", 10)).status == 200  # once it is over
        async with gateway(engine, backend={"in_flight": 2}) as front:  # nothing was promised
            replies = await asyncio.gather(*(front.complete("x", 10) for _ in range(60)))
            assert {reply.status for reply in replies} == {200}
