"""Two real vLLM servers behind the gateway: the same tokens as without it, whatever happens."""

from __future__ import annotations

import asyncio
import random
import re
import string
from collections.abc import Awaitable, Iterable, Iterator
from typing import Any

import pytest

pytest.importorskip("vllm")
pytest.importorskip("aiohttp")
pytest.importorskip("uvicorn")

from hocket.serving.live.gateway.call import Call
from hocket.serving.live.gateway.decisions import replay
from hocket.serving.live.vllm.tiny import tiny_model
from tests.serving.live.gateway.client import Client, Raw, Reply, live, posted, until
from tests.serving.live.gateway.front import gateway
from tests.serving.live.gateway.real import BLOCKS, RealEngine

STREAM = {"stream": True}
# The model would say the same two tokens for ever; with this, each but once or twice.
VARIED = {"repetition_penalty": 100.0}
PROMPTS = ("Tell me a story.", "日本語で" * 20)
Servers = tuple[RealEngine, RealEngine]
# As users have it: the pages of a real engine's metrics are long, and cost it time.
CALM: dict[str, Any] = {"scrape": 0.25, "health": {"period": 1.0, "timeout": 30.0}}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """One as it is released, and one whose iterations a policy of hocket composes."""
    folder = tmp_path_factory.mktemp("vllm")
    model = tiny_model(folder / "tiny", max_context=1024)
    policy = {"policy": "serving/vllm-v1", "record": str(folder / "run.jsonl")}
    both = (RealEngine(model, folder), RealEngine(model, folder, policy))
    try:
        for server in both:
            server.ready()
        yield both
    finally:
        for server in both:
            server.kill()


def plain(reply: Reply) -> bytes:
    """The bytes of an answer, but for when it was made, and the digest of the engine's settings."""
    body = re.sub(rb'"created":\d+', b'"created":0', reply.body)
    return re.sub(rb'"system_fingerprint":"[^"]*"', b'"system_fingerprint":""', body)


@live
async def test_answers_are_those_of_a_direct_call(servers: Servers) -> None:
    stock, ours = servers
    before = [server.gauge("request_success_total") for server in servers]
    async with (
        Client(stock.url) as direct,
        Client(ours.url) as other,
        gateway(*servers, policy="serving/round-robin", **CALM) as front,
    ):
        for place, prompt in enumerate(PROMPTS):
            for kind in ("complete", "chat"):
                for fields in ({}, STREAM, STREAM | {"return_token_ids": True}):
                    asked = fields | VARIED | {"headers": {"x-request-id": f"r{place}"}}
                    replies = [
                        await getattr(client, kind)(prompt, 16, **asked)
                        for client in (direct, other, front, front)  # each in its turn
                    ]
                    assert {reply.status for reply in replies} == {200}
                    assert len({reply.text for reply in replies}) == 1 and replies[0].text
                    if not fields:
                        assert len({plain(reply) for reply in replies}) == 1
                    else:  # vLLM joins events when it is in a hurry, and so never sends the same
                        assert all(reply.done for reply in replies)
                        assert len({tuple(reply.tokens) for reply in replies}) == 1
        calls = len(PROMPTS) * 2 * 3
        for server, count in zip(servers, before, strict=True):
            await until(lambda s=server, n=count: s.gauge("request_success_total") == n + 2 * calls)
        assert (await front.complete("x", 5_000)).status == 400
        listed = (await front.get("/v1/models")).json
        assert [entry["id"] for entry in listed["data"]] == ["tiny"]
        assert listed["data"][0]["max_model_len"] == 1024


async def busily(client: Client) -> None:
    """Ask one thing after another, for ever."""
    while True:
        await client.complete("y" * 300, 700, **VARIED)


@live
async def test_what_the_engines_publish_is_read(servers: Servers) -> None:
    async with (
        gateway(*servers, policy="serving/freeness", **CALM) as front,
        Client(servers[0].url) as direct,
    ):
        app = front.gateway
        assert app is not None
        await until(lambda: all(one.gauges for one in app.fleet.backends.values()), 30)
        for one in app.fleet.backends.values():
            assert one.gauges is not None and one.gauges.engine == "vllm"
            assert (one.block_size, one.blocks) == (32, BLOCKS)
        # What others ask of the first server sends the gateway's requests to the second.
        others = [asyncio.create_task(busily(direct)) for _ in range(6)]
        busy = app.fleet.backends[front.names[0]]
        # Between two of their requests a report may find the server idle: hence not all of them.
        for _ in range(8):
            await until(lambda: busy.strangers[0] >= 4, 30)
            assert (await front.complete("x", 3)).status == 200
        assert sum(line["backend"] == front.names[1] for line in front.requests) > 4
        for task in others:
            task.cancel()
        await until(lambda: busy.strangers == (0, 0), 30)


@live
async def test_a_client_that_leaves_ends_its_request_in_the_engine(servers: Servers) -> None:
    async with gateway(*servers, policy="serving/round-robin", **CALM) as front:
        for server in servers:
            before = server.gauge("generation_tokens_total")
            raw = await Raw.open(front.url)
            body = (
                b'{"model":"tiny","prompt":"x","max_tokens":1000,"ignore_eos":true,"stream":true}'
            )
            await raw.send(posted("/v1/completions", body))
            await raw.until(b'"text"')
            await until(lambda s=server: s.gauge("num_requests_running") == 1)
            await raw.close()
            await until(lambda s=server: s.gauge("num_requests_running") == 0)
            assert server.gauge("generation_tokens_total") - before < 1000
            await front.settled()
            assert front.last["status"] == 499


def different(count: int) -> list[str]:
    """Prompts that have little in common, their lengths included."""
    luck = random.Random(5)
    return [
        "".join(luck.choices(string.ascii_letters, k=luck.randint(3, 150))) for _ in range(count)
    ]


def ask(client: Client, n: int, prompt: Any, limit: int, **fields: Any) -> Awaitable[Reply]:
    """Ask for a completion, or, every other two, for a chat."""
    kind = client.chat if n // 2 % 2 else client.complete
    return kind(prompt, limit, return_token_ids=True, **VARIED, **fields)


async def alone(client: Client, prompts: list[str], limit: int) -> list[list[int]]:
    """The tokens that each prompt is answered with while nothing else runs."""
    return [(await ask(client, n, prompt, limit)).tokens for n, prompt in enumerate(prompts)]


@live
async def test_answers_do_not_depend_on_what_else_is_in_the_batch(servers: Servers) -> None:
    """On which it rests that streams can be resumed with the tokens that they would have had."""
    prompts = different(12)
    async with Client(servers[0].url) as direct:
        expected = await alone(direct, prompts, 40)
        together = await asyncio.gather(
            *(ask(direct, n, prompt, 40) for n, prompt in enumerate(prompts))
        )
        assert [reply.tokens for reply in together] == expected
        assert len({tuple(tokens) for tokens in expected}) > 6
        for cut in (1, 7, 31, 39):  # and not on how much of it was computed as a prompt
            for prompt, tokens in zip(prompts[:2], expected, strict=False):
                begun = (await direct.post("/tokenize", {"prompt": prompt})).json["tokens"]
                rest = await ask(direct, 0, begun + tokens[:cut], 40 - cut)
                assert rest.tokens == tokens[cut:]


def begun(calls: Iterable[Call], backend: str) -> int:
    """How many streams of a backend have had several tokens."""
    return sum(call.entry.backend == backend and call.entry.answer > 5 for call in calls)


@live
async def test_one_dies_and_nothing_is_lost(servers: Servers, tmp_path: Any) -> None:
    """The last test: it leaves one server alone."""
    stock, ours = servers
    prompts = different(12)
    limit = 250
    record = tmp_path / "decisions.jsonl"
    options: dict[str, Any] = CALM | {
        "policy": "serving/round-robin", "backend": {"resume": True}, "record": str(record),
    }  # fmt: skip
    async with Client(ours.url) as direct, gateway(stock, ours, **options) as front:
        expected = await alone(direct, prompts, limit)
        tasks = [
            asyncio.ensure_future(ask(front, n, prompt, limit, stream=n % 3 > 0))
            for n, prompt in enumerate(prompts)
        ]
        calls = front.gateway.proxy.calls if front.gateway else {}
        await until(lambda: begun(calls.values(), front.names[0]) > 2, 60)
        stock.kill()
        replies = await asyncio.gather(*tasks)
        for n, (reply, tokens) in enumerate(zip(replies, expected, strict=True)):
            assert (reply.status, reply.error) == (200, "")
            assert reply.tokens == tokens
            assert reply.done or n % 3 == 0
        assert await front.count("broken_streams_total") == 0
        resumed = await front.count("resumed_total", cause="failed")
        retried = await front.count("retries_total")
        assert resumed >= 2 and retried >= 1 and resumed + retried <= 6  # every other one
        await front.until("backend_healthy", 0, backend=front.names[0])
        assert (await front.complete("x", 3)).status == 200
    assert replay(record).identical
