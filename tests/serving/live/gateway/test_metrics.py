"""What the gateway tells of itself is well-formed and true, and gives nothing away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")

from prometheus_client import parser

from tests.serving.live.gateway.client import Client, Raw, live, posted, until
from tests.serving.live.gateway.engine import Engine, Hang, Reset, Status
from tests.serving.live.gateway.front import Front, gateway

STREAM = {"stream": True}
SECRET = "the-launch-code-is-4711"
KEY = "sk-nobody-may-read-this-anywhere"


async def families(front: Front) -> dict[str, Any]:
    """The page, read by Prometheus' own library."""
    reply = await front.get("/metrics")
    assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/plain")
    found = list(parser.text_string_to_metric_families(reply.body.decode()))
    assert len({family.name for family in found}) == len(found)
    return {family.name.removeprefix("hocket_gateway_"): family for family in found}


def total(family: Any, suffix: str = "_total", **labels: str) -> float:
    """The sum of samples with a suffix and labels."""
    return sum(
        sample.value
        for sample in family.samples
        if sample.name == family.name + suffix and labels.items() <= sample.labels.items()
    )


@live
async def test_the_page_is_sound_and_says_what_happened() -> None:
    tenants = {"shop": {}, "few": {"requests": 1.0, "burst": 0.001}}
    async with (
        Engine() as one,
        Engine() as two,
        gateway(one, two, tenants=tenants, failures=3) as front,
    ):
        empty = await families(front)
        assert total(empty["requests"]) == 0
        shop = {"x-hocket-tenant": "shop"}
        for _ in range(4):
            await front.complete("12345", 7, headers=shop)
        for _ in range(3):
            await front.complete("12345", 7, headers=shop, **STREAM)
        await front.complete("x", 2, headers={"x-hocket-tenant": "nobody knows me"})
        await front.complete("x", 2, headers={"x-hocket-tenant": "few"})
        assert (await front.complete("x", 2, headers={"x-hocket-tenant": "few"})).status == 429
        one.fault(Reset())
        await front.complete("x", 5)  # served by the other one
        one.fault(Reset(after=2))
        await front.complete("x", 5, **STREAM)  # dies midway
        one.fault(Status(status=400))
        await front.complete("x", 5)  # refused by the engine
        found = await families(front)
        requests = found["requests"]
        assert total(requests) == len(front.requests) == 13
        assert total(requests, status="200") == 10
        assert total(requests, status="429") == total(requests, status="400") == 1
        assert total(requests, status="502") == 1
        assert total(requests, tenant="shop") == 7
        assert total(requests, tenant="other") == 1
        assert total(found["retries"]) == 1
        assert total(found["broken_streams"]) == 1
        assert total(found["backend_failures"], backend=front.names[0]) == 2
        assert total(found["shed"], tenant="few", status="429") == 1
        assert total(found["tokens"], tenant="shop", kind="answer") == 7 * 7
        for name in ("ttft_seconds", "e2e_seconds"):
            assert total(found[name], "_count") == 12  # all that were sent to an engine
            assert total(found[name], "_sum") > 0
        for state in ("requests_in_flight", "queue", "backend_in_flight"):
            assert total(found[state], "") == 0
        assert total(found["backend_healthy"], "") == 2
        for family in found.values():
            assert family.documentation and family.type in ("counter", "gauge", "histogram")
        again = await families(front)  # looking changes nothing
        assert {name: family.samples for name, family in again.items()} == {
            name: family.samples for name, family in found.items()
        }


@live
async def test_gauges_tell_what_is_under_way() -> None:
    async with (
        Engine(gap=0.01) as engine,
        gateway(engine, backend={"in_flight": 3}) as front,
    ):
        tasks = [asyncio.create_task(front.complete("x", 50_000)) for _ in range(8)]
        await until(lambda: len(engine.load.running) == 3)
        await front.until("queue", 5)
        found = await families(front)
        assert total(found["requests_in_flight"], "") == 8
        assert total(found["backend_in_flight"], "", backend=front.names[0]) == 3
        for task in tasks:
            task.cancel()
        await front.settled()
        assert await front.count("requests_in_flight") == await front.count("queue") == 0
        assert await front.count("clients_gone_total") == 8


@live
async def test_clients_cannot_make_metrics_grow() -> None:
    async with Engine() as engine, gateway(engine) as front:
        await front.complete("x", 2)
        before = len(await front.page())
        for n in range(60):
            await front.complete("x", 2, headers={"x-hocket-tenant": f"tenant-{n}"})
            await front.complete("x", 2, model=f"model-{n}")
            await front.complete("x", 2, headers={"x-request-id": f"id-{n}"})
            await front.get(f"/path-{n}")
        assert len(await front.page()) <= before + 15


@live
async def test_logs_have_a_line_for_each_request_and_no_word_of_it() -> None:
    async with (
        Engine() as one,
        Engine() as two,
        gateway(one, two, backend={"resume": True}, failures=1, recovery=60) as front,
    ):
        headers = {"Authorization": f"Bearer {KEY}", "X-Secret": SECRET}
        marks = []

        async def ask(kind: str, **fields: Any) -> None:
            marks.append(f"request-{len(marks)}")
            told = headers | {"x-request-id": marks[-1]}
            await getattr(front, kind)(SECRET * 3, 12, headers=told, **fields)

        for kind in ("complete", "chat"):
            for fields in ({}, STREAM, {"max_tokens": -1}, {"user": SECRET}, {"stop": [SECRET]}):
                await ask(kind, **fields)
        one.fault(Reset(after=3))
        await ask("complete", **STREAM)
        two.fault(Status(status=500, body=SECRET.encode()))
        await ask("complete")
        for _ in range(2):
            for engine in (one, two):
                engine.fault(Reset(count=-1))
            await ask("chat", **STREAM)
        bad = b'{"model":"tiny","prompt":"%s","max_tokens":"%s"}' % (SECRET.encode(), KEY.encode())
        refused = await front.post("/v1/completions", bad, headers=headers)
        assert refused.status == 400
        await front.post("/v1/completions", b'{"prompt": "' + SECRET.encode(), headers=headers)
        await front.get(f"/{SECRET}", headers=headers)
        await front.settled()
        written = front.log.getvalue()
        page = (await front.get("/metrics")).body
        for word in (SECRET, SECRET[4:], KEY, "4711", "nobody-may", "Bearer"):
            assert word.encode() not in written and word.encode() not in page
        assert [line["id"] for line in front.requests] == marks
        for line in front.requests:
            assert line["status"] in (200, 400, 500, 502, 503) and line["e2e"] >= 0
            assert line["tenant"] == "default" and line["prompt"] > 0
            assert line["kind"] in ("completions", "chat") and line["model"] == "tiny"
            assert line["status"] == 400 or "backend" in line or "why" in line
            if "ttft" in line:
                assert 0 <= line["ttft"] <= line["e2e"]
        events = {line["event"] for line in front.lines}
        assert "backend failed" in events
        for answer in await texts(one):
            assert answer not in written


async def texts(engine: Engine) -> list[bytes]:
    """What the engine said in answer to the prompts, beginnings long enough to be looked for."""
    async with Client(engine.url) as direct:
        engine.faults.clear()
        kinds = (direct.complete, direct.chat)
        return [(await ask(SECRET * 3, 12)).text.encode()[:10] for ask in kinds]


@live
async def test_hanging_engines_do_not_hang_the_page() -> None:
    async with Engine() as engine, gateway(engine) as front:
        engine.fault(Hang(count=-1))
        raw = await Raw.open(front.url)
        await raw.send(posted("/v1/completions", b'{"model":"tiny","prompt":"x"}'))
        await until(lambda: engine.load.running)
        assert await front.count("requests_in_flight") == 1
        await raw.close()
        await front.settled()
