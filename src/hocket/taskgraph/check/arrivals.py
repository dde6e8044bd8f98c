"""Whether jobs come as the scenario says, and only while there is room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from hocket.core.solution import Violation
from hocket.core.timeline import Point, Timeline
from hocket.taskgraph.model.jobs import Listed, Stream
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.record import type_of


def arrivals(scenario: TaskGraphs, timeline: Timeline) -> Iterator[Violation]:
    """What is wrong with the points ``arrive`` and ``blocked``."""
    points = sorted(timeline.points(), key=lambda point: point.time)  # stable: as it was recorded
    for number, point in enumerate(p for p in points if p.kind == "arrive"):
        if point.group.rpartition("#")[2] != str(number):
            yield Violation("arrival", f"job {number} is called {point.group!r}")
    if isinstance(scenario.arrivals, Listed):
        yield from _listed(scenario, scenario.arrivals, points)
    else:
        yield from _room(scenario.arrivals, points)
        yield from _stream(scenario, scenario.arrivals, points)


def _listed(scenario: TaskGraphs, listed: Listed, points: list[Point]) -> Iterator[Violation]:
    """Each release arrives, at its time; nothing is blocked."""
    releases = [(job.time, job.type) for job in listed.jobs]
    releases = releases or [(0, kind.name) for kind in scenario.types]
    if scenario.horizon is not None:
        releases = [release for release in releases if release[0] < scenario.horizon]
    due = Counter(releases)
    come = Counter((p.time, type_of(p.group)) for p in points if p.kind == "arrive")
    for time, kind in sorted((due - come).elements()):
        yield Violation("arrival", f"a job of type {kind} should arrive at {time}")
    for time, kind in sorted((come - due).elements()):
        yield Violation("arrival", f"a job of type {kind} arrives at {time}, which is not listed")
    for point in points:
        if point.kind == "blocked":
            yield Violation("blocked", f"a job is blocked at {point.time}, but nothing blocks")


def _room(stream: Stream, points: list[Point]) -> Iterator[Violation]:
    """Who is admitted finds room, who is blocked finds none."""
    inside = 0
    for point in points:
        full = stream.capacity is not None and inside >= stream.capacity
        if point.kind == "arrive":
            if full:
                told = f"{point.group} enters at {point.time} as number {inside + 1}"
                yield Violation("full", f"{told} of at most {stream.capacity}")
            inside += 1
        elif point.kind == "done":
            inside -= 1
        elif point.kind == "blocked" and not full:
            yield Violation("blocked", f"a job is blocked at {point.time} by {inside} jobs")


def _stream(scenario: TaskGraphs, stream: Stream, points: list[Point]) -> Iterator[Violation]:
    """The attempts to enter: the first at 0, the next ones after gaps that are possible."""
    attempts = [(i, p) for i, p in enumerate(points) if p.kind in ("arrive", "blocked")]
    admitted = sum(point.kind == "arrive" for _, point in attempts)
    horizon = scenario.horizon
    over = admitted == stream.jobs
    if not over and (horizon is None or admitted > (stream.jobs or admitted)):
        yield Violation("arrival", f"{admitted} jobs arrive, not {stream.jobs}")
    filled = 1
    if stream.prefill and stream.capacity is not None:
        filled = min(stream.capacity, stream.jobs or stream.capacity)
    first = [point for _, point in attempts[:filled]]
    if horizon != 0 and [(p.kind, p.time) for p in first] != [("arrive", 0)] * filled:
        told = "a job" if filled == 1 else f"{filled} jobs"
        yield Violation("arrival", f"{told} should arrive at 0")
    for (i, before), (_, after) in zip(attempts[filled - 1 :], attempts[filled:], strict=False):
        due = _next(stream, before, points[i + 1 :])
        if not due.fits(after):
            told = f"after {before.kind} at {before.time} comes {after.kind} at {after.time}"
            yield Violation("arrival", f"{told}, which this stream cannot bring about")
    if attempts and horizon is not None and not over:
        i, last = attempts[-1]
        due = _next(stream, last, points[i + 1 :])
        if due.latest is not None and due.latest < horizon:
            yield Violation("arrival", f"nobody tries to enter at {due.latest}")


class _Due(NamedTuple):
    """When the next attempt comes: from `earliest` to `latest`, None if nobody knows."""

    earliest: int | None
    latest: int | None
    admitted: bool  # whether it must succeed

    def fits(self, attempt: Point) -> bool:
        """Whether an attempt is that one."""
        if self.earliest is None or attempt.time < self.earliest:
            return False
        in_time = self.latest is None or attempt.time <= self.latest
        return in_time and (attempt.kind == "arrive" or not self.admitted)


def _next(stream: Stream, before: Point, later: list[Point]) -> _Due:
    """The attempt after this one; `later` is what happens after it."""
    blocked = before.kind == "blocked"
    if blocked and stream.when_full == "wait":
        room = next((point.time for point in later if point.kind == "done"), None)
        return _Due(room, room, admitted=True)
    gap = int(stream.gap) if stream.gaps == "constant" else 0
    earliest = before.time + gap + blocked
    return _Due(earliest, earliest if stream.gaps == "constant" else None, admitted=False)
