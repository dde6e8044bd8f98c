"""Planned migrations: which streams are told to move, and when none is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("prometheus_client")

from hocket.core.load import load_policy
from hocket.serving.live.gateway.call import Call
from hocket.serving.live.gateway.config import from_data
from hocket.serving.live.gateway.decisions import Decider
from hocket.serving.live.gateway.fleet import Fleet
from hocket.serving.live.gateway.migrate import Mover
from hocket.serving.live.gateway.parse import parse
from hocket.serving.live.gateway.resume import story_of
from hocket.serving.live.gateway.upstream import Upstreams
from hocket.serving.roles.batching import ReplicaView
from hocket.serving.roles.cluster import ClusterView, Copying, Move


class Always:
    """A rescheduler that wants the first stream of a to go to b, at each plan."""

    period, reports, copying = 1, 1, Copying()

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def plan(self, view: ClusterView) -> Sequence[Move]:
        self.asked.append(tuple(view.names))
        return [Move("a", "b", "because")] if "a" in view.names else []

    def choose(self, view: ReplicaView) -> str:
        return view.running[0].id if view.running else ""


def made(**backend: Any) -> tuple[Mover, dict[str, Call], Upstreams, Fleet]:
    listed = [
        {"url": f"http://x:{i}", "name": name, "models": [model], "resume": True, **backend}
        for i, (name, model) in enumerate([("a", "m"), ("b", "m"), ("c", "n")], start=1)
    ]
    config = from_data({"backends": listed, "moves": 2})
    upstreams = Upstreams(config, lambda: 0, own_keys=False)
    fleet, calls = Fleet(), dict[str, Call]()
    for name, one in upstreams.all.items():
        fleet.add(name)
        one.probed(True, 3)
    decider = Decider(load_policy("serving/llumnix"), fleet)
    return Mover(config, upstreams, fleet, decider, calls, lambda: 0), calls, upstreams, fleet


async def under_way(id: str, fleet: Fleet, **fields: Any) -> Call:
    body = {"model": "m", "prompt": "x", "stream": True, "max_tokens": 9, **fields}
    call = Call(parse("completions", json.dumps(body).encode(), id=id), None, ())  # type: ignore[arg-type]
    call.entry.backend = "a"
    call.story = story_of(call.ask)
    if call.story is not None:
        choice = {"index": 0, "text": "a", "token_ids": [1], "prompt_token_ids": [5]}
        call.story.feed(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
    fleet.sent(call.ask, "a", 0)
    fleet.token(id, 1)
    return call


def run(work: Any) -> None:
    import asyncio

    asyncio.run(work())


def test_a_stream_is_told_and_only_one_at_a_time() -> None:
    async def work() -> None:
        mover, calls, _, fleet = made()
        rule = Always()
        calls["r"], calls["s"] = await under_way("r", fleet), await under_way("s", fleet)
        mover.plan(rule)
        assert (calls["r"].source, calls["r"].destination) == ("a", "b")
        assert calls["r"].entry.reason == "because" and calls["s"].destination == ""
        assert rule.asked == [("a", "b")]  # c serves another model, alone
        fleet.done("r", 2)
        mover.plan(rule)
        assert calls["s"].destination == ""  # both ends are in a migration
        calls["r"].destination = ""
        mover.plan(rule)
        assert calls["s"].destination == "b"

    run(work)


@pytest.mark.parametrize("fields", [{"stop": "x"}, {"stream": False}])
def test_what_cannot_be_resumed_stays(fields: dict[str, Any]) -> None:
    async def work() -> None:
        mover, calls, _, fleet = made()
        calls["r"] = await under_way("r", fleet, **fields)
        mover.plan(Always())
        assert calls["r"].destination == ""

    run(work)


def test_no_oftener_than_allowed() -> None:
    async def work() -> None:
        mover, calls, _, fleet = made()
        calls["r"] = await under_way("r", fleet)
        calls["r"].entry.moved = calls["r"].entry.resumed = 1
        mover.plan(Always())
        assert calls["r"].destination == ""

    run(work)


def test_where_nothing_can_move_nobody_is_asked() -> None:
    async def work() -> None:
        rule = Always()
        mover, _, _, _ = made(resume=False)
        mover.plan(rule)
        mover, _, upstreams, _ = made()
        for _ in range(3):
            upstreams.all["b"].breaker.failed(0)
        mover.plan(rule)
        assert rule.asked == []

    run(work)
