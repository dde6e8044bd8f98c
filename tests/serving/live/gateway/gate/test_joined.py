"""How well reports and own counts, joined, tell what is really in the engines.

Simulated engines, whose state is known, stand behind a gateway's fleet: it hears of tokens and ends
as they come, and of the engines' own figures now and then.
"""

from __future__ import annotations

from typing import Any

import pytest

from hocket.core.load import load_policy
from hocket.core.streams import Streams
from hocket.serving.live.gateway.fleet import Fleet
from hocket.serving.live.gateway.scrape import Gauges
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.roles import facts
from hocket.serving.roles.batching import Request
from hocket.serving.roles.cluster import ClusterView, Load, Send
from hocket.serving.roles.policy import ServingPolicy
from hocket.serving.simulate.cluster import simulate
from hocket.serving.workload import LogNormal, Random, Rate, Separate
from tests.serving.live.gateway.gate.asks import ask

WORK = Random(
    count=300,
    lengths=Separate(
        prompt=LogNormal(median=300, p90=1200, cap=3000),
        output=LogNormal(median=100, p90=300, cap=600),
    ),
    arrivals=Rate(rate=25),
)
CLUSTER = Cluster(workload=WORK, pools=(Pool(count=3, kv_blocks=3000),))


class Joined:
    """Asks `inner` with the gateway's view in place of the simulator's."""

    def __init__(self, inner: Any, period: int) -> None:
        self.inner, self.period = inner, period
        self.fleet = Fleet()
        self.reported: dict[str, int] = {}
        self.errors: list[tuple[int, int]] = []  # of free blocks: joined, and of the report alone
        self.differences = 0
        self.asked = 0

    def dispatch(self, view: ClusterView, request: Request) -> Send:
        for load in view.loads:
            self.hear(load, view.now)
        for true, told in zip(view.loads, self.fleet.view(view.names, view.now).loads, strict=True):
            self.compare(true, told)
        send = self.inner.dispatch(self.fleet.view(view.names, view.now), request)
        self.differences += send.replica != self.inner.dispatch(view, request).replica
        self.asked += 1
        one = ask(request.id, prompt=request.prompt, arrival=view.now)
        self.fleet.sent(one, send.replica, view.now)
        return send

    def hear(self, load: Load, now: int) -> None:
        """What the gateway gets to know of an engine by now."""
        fleet, name = self.fleet, load.replica
        if name not in fleet.backends:
            fleet.add(name, blocks=load.blocks, block_size=load.block_size)
        there = {one.id: one for one in (*load.running, *load.waiting)}
        backend = fleet.backends[name]
        for sent in [*backend.running.values(), *backend.waiting.values()]:
            if sent.ask.id not in there and sent.time < load.time:
                fleet.done(sent.ask.id, now)
            elif sent.ask.id in there:
                fresh = there[sent.ask.id].generated - sent.generated
                if fresh:
                    fleet.token(sent.ask.id, now, fresh)
        if now - self.reported.get(name, -self.period) >= self.period:
            self.reported[name] = now
            usage = (load.blocks - load.free) / load.blocks
            running, waiting = len(load.running), len(load.waiting)
            gauges = Gauges(engine="vllm", running=running, waiting=waiting, usage=usage)
            fleet.scraped(name, gauges, now)

    def compare(self, true: Load, told: Load) -> None:
        stale = true.blocks - self.fleet.backends[true.replica].used
        self.errors.append((abs(told.free - true.free), abs(stale - true.free)))
        if self.period == 0:
            assert told.free == true.free
            assert {one.id for one in told.running} == {one.id for one in true.running}
            waiting = {one.id for one in told.waiting}
            assert waiting >= {one.id for one in true.waiting}
            late = waiting - {one.id for one in true.waiting}
            assert all(self.fleet.flights[name].time >= true.time for name in late)


class Through(ServingPolicy, frozen=True):
    """A policy that sees what a gateway would show it."""

    inner: Any = None
    seen: Any = None

    def dispatcher(self, fleet: facts.Fleet, streams: Streams) -> Any:
        self.seen.inner = self.inner.dispatcher(fleet, streams)
        return self.seen


def joined(policy: str, period: int) -> Joined:
    found = Joined(None, period)
    timeline = simulate(CLUSTER, Through(inner=load_policy(policy), seen=found), seed=3)
    assert not list(timeline.points("preempt"))
    assert found.asked == 300
    return found


@pytest.mark.parametrize("policy", ["serving/freeness", "serving/infaas"])
def test_with_a_report_for_every_decision_the_gateway_knows_what_the_engine_knows(
    policy: str,
) -> None:
    """And in addition which requests have come to it since its latest iteration began."""
    assert joined(policy, 0).errors


@pytest.mark.parametrize("period", [250_000, 1_000_000])
def test_between_reports_own_counts_keep_memory_up_to_date(period: int) -> None:
    found = joined("serving/freeness", period)
    mine = sum(error for error, _ in found.errors) / len(found.errors)
    stale = sum(error for _, error in found.errors) / len(found.errors)
    assert mine < stale / 2
