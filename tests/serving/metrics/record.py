"""Timelines of serving, written by hand."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from hocket.core.timeline import Timeline
from hocket.serving.cost import Constant
from hocket.serving.model.cluster import Cluster, Pool, Slo
from hocket.serving.workload import Trace

NO_LIMIT = 10**9


def cluster(slo: Slo | None = None, **fields: Any) -> Cluster:
    """One pool of replicas ``replica-0``, ...; iterations last 10 ms, ticks are ms."""
    pool: dict[str, Any] = {
        "count": 2,
        "kv_blocks": 100,
        "block_size": 16,
        "cost": Constant(seconds=0.01),
    }
    shared = {name: value for name, value in fields.items() if name in Pool.__struct_fields__}
    others = {name: value for name, value in fields.items() if name not in shared}
    asked: dict[str, Any] = {
        "name": "by hand",
        "time_unit": "ms",
        "workload": Trace(arrival=(0,), prompt=(1,), output=(1,)),
        "pools": (Pool(**(pool | shared)),),
        "slo": slo or Slo(),
    }
    return Cluster(**(asked | others))


def workload(timeline: Timeline) -> Trace:
    """The requests that arrive in a timeline, as a trace."""
    points = sorted(timeline.points("arrive"), key=lambda p: p.time)
    told = [[int(word) for word in point.name.split()[:3]] for point in points]
    return Trace(
        arrival=tuple(point.time for point in points),
        prompt=tuple(t[0] for t in told),
        output=tuple(t[1] for t in told),
        limit=tuple(t[2] for t in told),
        names=tuple(point.group for point in points),
    )


class Record:
    """A timeline under the pen; times in ticks of a millisecond."""

    def __init__(self, *lanes: str, unit: str = "ms") -> None:
        self.timeline = Timeline(unit, lanes or ("replica-0", "replica-1"))

    def arrive(
        self, name: str, at: int, prompt: int, output: int, limit: int = NO_LIMIT, more: str = ""
    ) -> Record:
        self.timeline.point("arrive", "", name, f"{prompt} {output} {limit} {more}".strip(), at)
        return self

    def dispatch(self, name: str, lane: str, at: int) -> Record:
        self.timeline.point("dispatch", lane, name, "", at)
        return self

    def prefill(self, name: str, lane: str, tokens: int, start: int, end: int) -> Record:
        self.timeline.span("run", lane, name, f"prefill {tokens}", start, end)
        return self

    def decode(self, name: str, lane: str, tokens: int, start: int, end: int) -> Record:
        self.timeline.span("run", lane, name, f"decode {tokens}", start, end)
        return self

    def point(
        self, kind: str, name: str, lane: str, at: int, reason: str = "", told: str = ""
    ) -> Record:
        self.timeline.point(kind, lane, name, told, at, reason)
        return self

    def serve(
        self, name: str, lane: str, begin: int, first: int, finish: int, prompt: int, output: int
    ) -> Record:
        """All of a request on one replica."""
        self.dispatch(name, lane, begin).prefill(name, lane, prompt, begin, first)
        if output > 1:
            self.decode(name, lane, output - 1, first, finish)
        return self.point("finish", name, lane, finish)


def busy_day(seed: int, count: int, replicas: int = 2, every: int = 40) -> Timeline:
    """A made-up run that keeps the rules: each replica prefills one request at a time.

    Iterations last 10 ms; a prompt takes one for each 256 tokens, each further token one.
    """
    rng = np.random.default_rng(seed)
    record = Record(*(f"replica-{i}" for i in range(replicas)))
    free = [0] * replicas
    at = 0
    for i in range(count):
        at += int(rng.integers(0, every))
        prompt, output = int(rng.integers(1, 400)), int(rng.integers(1, 60))
        lane = int(np.argmin(free))
        begin = max(at, free[lane])
        first = begin + 10 * -(-prompt // 256)
        record.arrive(f"r{i}", at, prompt, output)
        finish = first + 10 * (output - 1)
        record.serve(f"r{i}", f"replica-{lane}", begin, first, finish, prompt, output)
        if output > 1:
            record.timeline.tally("gap", f"replica-{lane}", 10, output - 1)
            record.timeline.tally("longest gap", f"r{i}", 10)
        free[lane] = first
    return record.timeline


def changed(scenario: Cluster, **fields: Any) -> Cluster:
    """The scenario with other fields."""
    return msgspec.structs.replace(scenario, **fields)
