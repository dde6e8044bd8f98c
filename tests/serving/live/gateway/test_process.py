"""``hocket gateway`` as users start it: signals, several workers, what it prints and writes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("uvicorn")

from hocket.serving.live.gateway.keys import Keys
from tests.serving.live.gateway.client import Client, live, until
from tests.serving.live.gateway.engine import Engine
from tests.serving.live.gateway.front import Process, process, samples

STREAM = {"stream": True}


def hocket(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command."""
    line = [sys.executable, "-m", "hocket", "gateway", *words]
    return subprocess.run(line, input=given, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
@live
async def test_it_drains(number: signal.Signals, tmp_path: Path) -> None:
    async with Engine(gap=0.02) as engine, process(tmp_path, engine) as gateway:
        async with Client(gateway.url) as client, Client(engine.url) as direct:
            expected = await direct.complete("x", 50, **STREAM, headers={"x-request-id": "same"})
            asked = [
                asyncio.create_task(
                    client.complete("x", 50, headers={"x-request-id": "same"}, **fields)
                )
                for fields in (STREAM, {})
            ]
            await until(lambda: len(engine.load.running) == 2)
            gateway.signal(number)
            await until(lambda: any(line["event"] == "draining" for line in gateway.lines))
            refused = await client.complete("y", 2)
            assert refused.status == 503 and refused.json["error"]["code"] == "draining"
            assert int(refused.headers["Retry-After"]) >= 1
            assert (await client.get("/health")).status == 503
            stream, whole = await asyncio.gather(*asked)
            assert stream.body == expected.body
            assert whole.status == 200 and whole.text == expected.text
        assert await gateway.ended() == 0
        assert [line["event"] for line in gateway.lines][-1] == "stopped"
        assert len(engine.served) == 3


@live
async def test_streams_that_outlast_the_drain_are_told(tmp_path: Path) -> None:
    async with Engine(gap=0.02) as engine, process(tmp_path, engine, drain=0.3) as gateway:
        async with Client(gateway.url) as client:
            asked = [
                asyncio.create_task(client.complete("x", 5_000, **fields))
                for fields in (STREAM, {})
            ]
            await until(lambda: len(engine.load.running) == 2)
            gateway.signal()
            stream, whole = await asyncio.gather(*asked)
            assert stream.status == 200 and not stream.error and not stream.done
            assert stream.chunks[-1]["error"]["code"] == "draining"
            assert whole.status == 503
        assert await gateway.ended() == 0
        await until(lambda: engine.outcomes == {"cancelled": 2})


@live
async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with Engine(gap=0.02) as engine, process(tmp_path, engine, drain=600.0) as gateway:
        async with Client(gateway.url) as client:
            asked = asyncio.create_task(client.complete("x", 50_000, **STREAM))
            await until(lambda: engine.load.running)
            gateway.signal()
            await until(lambda: any(line["event"] == "draining" for line in gateway.lines))
            gateway.signal()
            assert await gateway.ended() == 130
            assert not (await asked).done
        await until(lambda: engine.outcomes == {"cancelled": 1})


def serving(gateway: Process) -> int:
    """How many workers have begun to serve so far."""
    return sum(line["event"] == "serving" for line in gateway.lines)


@live
async def test_several_workers_serve_and_count_together(tmp_path: Path) -> None:
    async with (
        Engine(gap=0.002) as a,
        Engine(gap=0.002) as b,
        process(tmp_path, a, b, flags=["--workers", "2"]) as gateway,
    ):
        await until(lambda: serving(gateway) == 2, 60)
        async with Client(gateway.url) as client:
            for _ in range(4):  # each on new connections, which the kernel spreads
                async with Client(gateway.url) as fresh:
                    replies = await asyncio.gather(
                        *(fresh.complete(f"p{n}", 6, stream=n % 2 == 0) for n in range(25))
                    )
                    assert all(reply.status == 200 for reply in replies)
            page = samples((await client.get("/metrics")).body.decode())
            counted = sum(v for name, _, v in page if name == "hocket_gateway_requests_total")
            assert counted == 100 == len(a.served) + len(b.served)
            asked = asyncio.create_task(client.complete("x", 100, **STREAM))
            await until(lambda: a.load.running or b.load.running)
            gateway.signal()
            assert (await asked).done
        assert await gateway.ended() == 0
        lines = [line for line in gateway.lines if line["event"] == "request"]
        assert len(lines) == 101
        assert len([line for line in gateway.lines if line["event"] == "stopped"]) == 2


def children(pid: int) -> set[int]:
    """The gateways among the processes that a process has started."""
    found = subprocess.run(["pgrep", "-P", str(pid), "-f", "spawn_main"], capture_output=True)
    return {int(word) for word in found.stdout.split()}


@live
async def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    async with Engine() as engine, process(tmp_path, engine, flags=["--workers", "2"]) as gateway:
        pid = gateway.process.pid
        await until(lambda: serving(gateway) == 2, 60)
        before = children(pid)
        assert len(before) == 2
        os.kill(min(before), signal.SIGKILL)
        await until(lambda: serving(gateway) == 3, 60)
        now = children(pid)
        assert len(now) == 2 and min(before) not in now and max(before) in now
        for _ in range(8):
            async with Client(gateway.url) as client:
                assert (await client.complete("x", 2)).status == 200
        gateway.signal()
        assert await gateway.ended() == 0
        assert not children(pid)


@live
async def test_decisions_are_recorded_and_asked_again(tmp_path: Path) -> None:
    record = tmp_path / "decisions.jsonl"
    async with (
        Engine() as a,
        Engine() as b,
        process(
            tmp_path, a, b, flags=["--policy", "serving/power-of-two", "--record", str(record)]
        ) as gateway,
    ):
        async with Client(gateway.url) as client:
            await asyncio.gather(*(client.complete(f"p{n}", 3) for n in range(30)))
        gateway.signal()
        assert await gateway.ended() == 0
    done = hocket("--replay", str(record))
    assert done.returncode == 0 and "30 decisions, all the same" in done.stdout, done.stderr
    found = msgspec.json.decode(hocket("--replay", str(record), "--json").stdout)
    assert (found["decisions"], found["different"]) == (30, 0)
    other = hocket("--replay", str(record), "--policy", "serving/round-robin")
    assert other.returncode == 1 and "serving/round-robin" in other.stdout
    lines = record.read_bytes().splitlines(keepends=True)
    del lines[2]
    record.write_bytes(b"".join(lines))
    done = hocket("--replay", str(record))
    assert done.returncode == 1 and "different" in done.stdout


@live
async def test_flags_alone_will_do(tmp_path: Path) -> None:
    async with Engine() as engine:
        words = [
            sys.executable,
            "-m",
            "hocket",
            "gateway",
            "--backend",
            engine.url,
            "--listen",
            "0",
        ]
        started = await asyncio.create_subprocess_exec(
            *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert started.stdout is not None and started.stderr is not None
        try:
            url = ""
            async with asyncio.timeout(20):
                while not url:
                    told = (await started.stderr.readline()).decode()
                    assert told, "it ended"
                    if told.startswith("{") and '"serving"' in told:
                        url = msgspec.json.decode(told)["url"]
            async with Client(url) as client:
                async with asyncio.timeout(10):
                    while (await client.get("/ready")).status != 200:
                        await asyncio.sleep(0.02)
                assert (await client.complete("x", 3)).status == 200
        finally:
            started.terminate()
            await started.communicate()
        assert started.returncode == 0


def test_keys_are_made_and_hashed(tmp_path: Path) -> None:
    made = hocket("--new-key", "shop")
    assert made.returncode == 0
    key = next(word for word in (made.stdout + made.stderr).split() if word.startswith("hk-"))
    assert key not in made.stdout  # which goes into the file
    known = hocket("--hash-key", "search", given=key + "\n")
    assert known.returncode == 0 and key not in known.stdout
    path = tmp_path / "keys.yaml"
    path.write_text("keys:\n" + made.stdout + known.stdout)
    assert Keys(path).tenant(key) == "search"  # the entry that comes last
    assert Keys(path).tenant(key + "x") is None
    short = hocket("--hash-key", "shop", given="letmein\n")
    assert short.returncode != 0 and "Traceback" not in short.stderr


URL = "http://127.0.0.1:1"
BAD: dict[str, Any] = {
    "a key that is none": {"backends": [{"url": URL}], "keys": "{folder}/keys.yaml"},
    "a variable that is missing": {"backends": [{"url": URL, "key_env": "NOT_SET_AT_ALL"}]},
    "no backend": {},
    "an unknown policy": {"backends": [{"url": URL}], "policy": "serving/best"},
    "no dispatcher": {"backends": [{"url": URL}], "policy": "shop/spt"},
    "a URL that is none": {"backends": [{"url": "x:1"}]},
    "twice the same": {"backends": [{"url": URL}, {"url": URL}]},
    "an unknown field": {"backends": [{"url": URL}], "polcy": "serving/llumnix"},
    "a file that is missing": {"backends": [{"url": URL}], "keys": "/nowhere/keys"},
    "a port that is none": {"backends": [{"url": URL}], "listen": "host:port"},
}


def test_what_is_wrong_with_a_config_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "gateway.json"
    every = {
        "backends": [{"url": URL, "in_flight": -1}, {"name": "b"}], "policy": 7,
        "timeouts": {"first": "soon"}, "workers": 0,
    }  # fmt: skip
    path.write_bytes(msgspec.json.encode(every))
    told = hocket(str(path), "--check")
    assert told.returncode == 1
    for word in ("in_flight", "url", "policy", "first", "workers"):
        assert word in told.stdout, told.stdout
    fine = {"backends": [{"url": URL}]}
    path.write_bytes(msgspec.json.encode(fine))
    assert hocket(str(path), "--check").returncode == 0


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("config", BAD.values(), ids=BAD)
def test_a_bad_config_starts_nothing(config: Any, workers: str, tmp_path: Path) -> None:
    (tmp_path / "keys.yaml").write_text("keys: [{tenant: shop, hash: letmein}]")
    path = tmp_path / "gateway.json"
    path.write_text(json.dumps(config).replace("{folder}", str(tmp_path)))
    told = hocket(str(path), "--workers", workers)
    assert told.returncode not in (0, 130) and "Traceback" not in told.stderr
    assert told.stderr.strip()


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for workers in ("1", "2"):
            told = hocket("--backend", URL, "--listen", f"127.0.0.1:{port}", "--workers", workers)
            assert told.returncode not in (0, 130) and "cannot listen" in told.stderr
