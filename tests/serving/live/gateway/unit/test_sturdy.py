"""What must not take a gateway down: large pages, full disks, failing policies, greedy clients."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("uvicorn")

from aiohttp import web

from hocket.core.errors import InputError, UserError
from hocket.core.load import load_policy
from hocket.serving.live.gateway import keys, migrate, proxy
from hocket.serving.live.gateway.app import Gateway
from hocket.serving.live.gateway.call import Call
from hocket.serving.live.gateway.config import from_data
from hocket.serving.live.gateway.decisions import Decider, replay
from hocket.serving.live.gateway.fleet import Fleet
from hocket.serving.live.gateway.parse import parse, with_priority
from hocket.serving.live.gateway.upstream import Upstreams
from tests.serving.live.gateway.client import live, until
from tests.serving.live.gateway.engine import Engine, Raw, Reset
from tests.serving.live.gateway.front import gateway
from tests.serving.live.gateway.gate.asks import ask
from tests.serving.live.gateway.unit.test_migrate import Always, made

STREAM = {"stream": True}


@live
async def test_pages_that_come_in_pieces_are_read_whole() -> None:
    page = b"".join(b"# line %d of many\n" % n for n in range(20_000))
    models = {"data": [{"id": f"m{n}", "pad": "x" * 1000} for n in range(300)]}

    async def slowly(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        body = page if request.path == "/metrics" else json.dumps(models).encode()
        for start in range(0, len(body), 50_000):
            await stream.write(body[start : start + 50_000])
            await asyncio.sleep(0.002)
        return stream

    app = web.Application()
    for path in ("/metrics", "/v1/models", "/health"):
        app.router.add_get(path, slowly)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    config = from_data({"backends": [{"url": url, "name": "a"}], "health": {"timeout": 30}})
    upstreams = Upstreams(config, lambda: 0, own_keys=False)
    try:
        assert await upstreams.page("a") == page.decode()
        await upstreams.probe()
        assert len(upstreams.all["a"].models) == 300
    finally:
        await upstreams.close()
        await runner.cleanup()


@live
async def test_bodies_count_from_their_first_byte() -> None:
    async with Engine() as engine, gateway(engine, bounds={"memory": 1000}) as front:
        given = await front.complete("x" * 2000)
        assert given.status == 503 and given.headers["Retry-After"] == "1"
        assert front.gateway is not None and front.gateway.held == 0
        assert (await front.complete("x")).status == 200
        assert front.gateway.held == 0 and len(engine.served) == 1


@live
async def test_whoever_fails_to_probe_once_probes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Engine() as engine, gateway(engine, health={"period": 0.01}) as front:
        assert front.gateway is not None
        upstreams = front.gateway.upstreams
        probe, failed = upstreams.probe, []

        async def fails() -> None:
            if not failed:
                failed.append(1)
                raise ValueError("a bad label")
            await probe()

        monkeypatch.setattr(upstreams, "probe", fails)
        await until(lambda: failed)
        engine.healthy = False
        await until(lambda: not upstreams.all[front.names[0]].healthy)
        assert any(line["event"] == "internal error" for line in front.lines)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_ends_the_record_and_nothing_else() -> None:
    fleet = Fleet()
    fleet.add("a")
    one = Decider(load_policy("serving/round-robin"), fleet, record=Path("/dev/full"))
    for place in range(1000):  # more than is buffered
        assert one.choose(ask(str(place)), ["a"], place).replica == "a"
        one.flush()
    assert one.lost
    one.close()


@live
async def test_a_request_whose_engine_dies_waits_for_room_elsewhere() -> None:
    async with (
        Engine(gap=0.01) as busy,
        Engine() as bad,
        gateway(busy, bad, policy="serving/round-robin", backend={"in_flight": 1}) as front,
    ):
        bad.fault(Reset(count=-1))
        long = asyncio.create_task(front.complete("long", 40, **STREAM))
        await until(lambda: busy.served and busy.served[0].sent)
        given = await front.complete("x", 3, **STREAM)
        assert (given.status, given.done) == (200, True)
        assert (await long).done and len(bad.served) == 1 and len(busy.served) == 2
        await front.settled()
        assert front.gateway is not None and front.gateway.admission.inside == 0
        assert front.gateway.fleet.flights == {}


@pytest.mark.parametrize("why", ["lost", "gone"])
@live
async def test_a_stream_that_can_no_longer_move_stays(why: str) -> None:
    async with (
        Engine(gap=0.01) as here,
        Engine() as there,
        gateway(here, there, policy="serving/round-robin", backend={"resume": True}) as front,
    ):
        assert front.gateway is not None
        calls = front.gateway.proxy.calls
        asked = asyncio.create_task(front.complete("x", 30, **STREAM))
        await until(lambda: here.served and here.served[0].sent > 3)
        (call,) = calls.values()
        assert call.story is not None
        if why == "lost":
            call.story.lost = "for a test"
        else:
            front.gateway.upstreams.all[front.names[1]].healthy = False
            there.healthy = False
        call.destination = front.names[1]
        given = await asked
        assert given.done and len(here.served) == 1 and not there.served
        assert "resumed" not in front.last and "moved" not in front.last


@live
async def test_a_stream_of_announced_length_may_become_another() -> None:
    choice = {"index": 0, "text": "a", "token_ids": [1, 2, 3], "prompt_token_ids": [5]}
    body = b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\ndata: [DONE]\n\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"
    async with Engine() as engine, gateway(engine, backend={"resume": True}) as front:
        engine.fault(Raw(data=head % len(body) + body))
        given = await front.complete("x", 3, **STREAM)
        assert (given.error, given.done) == ("", True)
        assert "Content-Length" not in given.headers and b'token_ids": null' in given.body


@live
async def test_tokens_that_come_together_are_charged_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = {"choices": [{"index": 0, "text": "abc"}], "usage": {"completion_tokens": 50}}
    body = b"data: " + json.dumps(said).encode() + b"\n\ndata: [DONE]\n\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"
    async with Engine() as engine, gateway(engine) as front:
        assert front.gateway is not None
        counts: list[int] = []
        token = front.gateway.admission.token

        def counting(one: Any, now: int, count: int = 1) -> None:
            counts.append(count)
            token(one, now, count)

        monkeypatch.setattr(front.gateway.admission, "token", counting)
        engine.fault(Raw(data=head % len(body) + body))
        assert (await front.complete("x", 50, **STREAM)).done
        assert sum(counts) == front.last["answer"] == 50


@live
async def test_engines_hear_of_no_more_urgency_than_is_allowed() -> None:
    async with Engine() as engine, gateway(engine, others={"priority": -1}) as front:
        for claimed, told in ((-5, -1), (-1, -1), (3, 3)):
            await front.complete("x", priority=claimed)
            assert engine.served[-1].asked["priority"] == told
        await front.complete("x")
        assert "priority" not in engine.served[-1].asked


def test_a_body_with_another_priority_is_the_same_else() -> None:
    body = b'{"a": 1e2, "priority": -9, "b" : [ "\\u00e4", 12345678901234567890123 ]}'
    found = with_priority(body, 0)
    assert b'"a":1e2' in found and b'[ "\\u00e4", 12345678901234567890123 ]' in found
    assert json.loads(found) == json.loads(body) | {"priority": 0}


def test_keys_beyond_measure_cost_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="at most"):
        keys.hash_key("k" * 513)
    file = tmp_path / "keys.yaml"
    file.write_text(f'- {{tenant: a, hash: "{keys.hash_key("k" * 512)}"}}\n')
    found = keys.Keys(file)
    assert found.tenant("k" * 512) == "a"
    monkeypatch.setattr(keys, "_digest", lambda *_: pytest.fail("it was hashed"))
    assert found.tenant("k" * 60_000) is None


@live
async def test_refusals_say_what_would_do(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    file.write_text(f'- {{tenant: a, hash: "{keys.hash_key("k" * 30)}"}}\n')
    async with Engine() as engine, gateway(engine, keys=str(file)) as front:
        given = await front.complete("x")
        assert (given.status, given.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert (await front.get("/v1/completions")).headers["Allow"] == "POST"
        assert (await front.post("/metrics", {})).headers["Allow"] == "GET, HEAD"


def recorded(path: Path, **changes: Any) -> Path:
    report = ["a", "engines", "both", 0, 16, 100, 50, 1, 0, False, False, 0, 0, 1, 0]
    line = {
        "kind": "dispatch", "at": 0, "request": ["r", 0, 5], "names": ["a", "b"],
        "loads": [report, ["b", *report[1:]]], "replica": "a",
    }  # fmt: skip
    began = {"kind": "began", "policy": {"policy": "serving/least-kv"}, "seed": 0}
    path.write_text("".join(json.dumps(one) + "\n" for one in (began, line | changes)))
    return path


def test_records_that_nobody_wrote(tmp_path: Path) -> None:
    report = ["a", "engines", "both", 0, 16, 0, 0, 0, 0, False, False, 0, 0, 1, 0]
    for place, value in ((5, "many"), (7, None), (2, "king")):
        bad = [*report[:place], value, *report[place + 1 :]]
        with pytest.raises(InputError, match="line 2"):
            replay(recorded(tmp_path / "r", loads=[bad, bad]))
    found = replay(recorded(tmp_path / "r", loads=[report, report]))  # no blocks: divides by zero
    assert found.different == 1 and "ZeroDivisionError" in found.first


def test_a_plan_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fails(Always):
        def plan(self, view: Any) -> Any:
            super().plan(view)
            raise KeyError("x")

    async def work() -> None:
        mover, *_ = made()
        mover.rescheduler = rule = Fails()
        task = asyncio.create_task(mover.run())
        await until(lambda: len(rule.asked) > 2 or task.done())
        assert not task.done()
        task.cancel()

    monkeypatch.setattr(migrate, "_SHORTEST", 1000)
    asyncio.run(work())


@live
async def test_a_client_that_reads_nothing_holds_no_ending_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Deaf:
        started, ended = True, False

        async def end(self, chunk: bytes) -> None:
            await asyncio.sleep(3600)

    monkeypatch.setattr(proxy, "_LAST_WORDS", 0.01)
    found = Gateway(from_data({"backends": [{"url": "http://x:1"}]})).proxy
    body = json.dumps({"model": "m", "prompt": "x", "stream": True}).encode()
    call = Call(parse("completions", body), Deaf(), ())  # type: ignore[arg-type]
    async with asyncio.timeout(60):
        await found._end(call, 504, "timeout", "too long")
