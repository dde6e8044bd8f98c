"""Is this a schedule of that job shop? Judged from the scenario and the spans alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from hocket.core.solution import Violation
from hocket.core.timeline import Span, Timeline
from hocket.shop.model.jobshop import Job, JobShop, Operation


class Done(NamedTuple):
    """An operation as the timeline shows it, times in ticks.

    `arrival` is when it takes the machine (setup included), `departure` when its job has left,
    `place` where the timeline mentions it: the order of those that take no time at one instant.
    """

    job: str
    name: str
    family: str
    machine: str
    arrival: int
    start: int
    end: int
    departure: int
    runs: tuple[Span, ...]
    setup: int
    place: int


def check(scenario: JobShop, timeline: Timeline) -> list[Violation]:
    """Every constraint of `scenario` that `timeline` breaks; empty for a feasible schedule.

    With noise real durations are not known, so only their order in time is checked. Machines count
    as broken when the timeline says so.
    """
    found: list[Violation] = []
    spans: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for span in timeline.spans():
        if span.kind in ("run", "setup", "blocked"):
            spans[span.group, span.name].append(span)
    places = {key: place for place, key in enumerate(spans)}
    arrivals = {p.group: p.time for p in timeline.points("arrive")}
    routes: list[list[Done]] = []
    for job in scenario.jobs:
        route: list[Done] = []
        for k, operation in enumerate(job.operations):
            name = operation.name or f"{job.name}.{k}"
            key = (job.name, name)
            done = _read(job, operation, name, spans.pop(key, []), places.get(key, 0), found)
            if done is not None:
                found += _duration(scenario, operation, done)
                route.append(done)
        found += _route(scenario, job, route, arrivals)
        routes.append(route)
    found += [Violation("unknown", f"nothing is called {j} / {o}") for j, o in spans]
    found += _machines(scenario, routes, timeline)
    if scenario.blocking == "no-swap":
        found += _swaps(routes)
    return found


def _read(
    job: Job,
    operation: Operation,
    name: str,
    spans: list[Span],
    place: int,
    found: list[Violation],
) -> Done | None:
    runs = sorted((s for s in spans if s.kind == "run"), key=lambda s: (s.start, s.end))
    if not runs:
        found.append(Violation("missing", f"{name} of {job.name} is never run"))
        return None
    lanes = {s.lane for s in spans}
    if len(lanes) > 1:
        found.append(Violation("machine", f"{name} moves between {', '.join(sorted(lanes))}"))
    machine = runs[0].lane
    if machine not in {c.machine for c in operation.choices()}:
        found.append(Violation("machine", f"{machine} cannot do {name}"))
        return None
    setups = [s for s in spans if s.kind == "setup"]
    blocked = [s for s in spans if s.kind == "blocked"]
    for before, after in pairwise(runs):
        if after.start < before.end:
            found.append(Violation("overlap", f"{name} runs twice at {after.start}"))
    if any(s.end > runs[0].start for s in setups) or any(s.start < runs[-1].end for s in blocked):
        found.append(Violation("order", f"{name}: not in the order setup, run, blocked"))
    if any(s.end < s.start for s in spans):
        found.append(Violation("order", f"{name} has a span that ends before it starts"))
    return Done(
        job=job.name,
        name=name,
        family=operation.family,
        machine=machine,
        arrival=min(s.start for s in spans),
        start=runs[0].start,
        end=runs[-1].end,
        departure=max(s.end for s in spans),
        runs=tuple(runs),
        setup=sum(s.end - s.start for s in setups),
        place=place,
    )


def _duration(scenario: JobShop, operation: Operation, done: Done) -> Iterator[Violation]:
    if scenario.noise is not None:
        return
    need = next(c.duration for c in operation.choices() if c.machine == done.machine)
    have = sum(s.end - s.start for s in done.runs)
    if have != need:
        yield Violation("duration", f"{done.name} runs {have} ticks on {done.machine}, not {need}")


def _route(
    scenario: JobShop, job: Job, route: list[Done], arrivals: dict[str, int]
) -> Iterator[Violation]:
    release = arrivals.get(job.name, 0) if scenario.arrivals is not None else job.release
    if route and route[0].arrival < release and route[0].start < release:
        yield Violation("release", f"{job.name} starts at {route[0].start}, before {release}")
    for before, after in pairwise(route):
        if after.start < before.end:
            yield Violation("precedence", f"{after.name} starts before {before.name} ends")
        if scenario.no_wait and after.start != before.end:
            yield Violation("no-wait", f"{after.name} waits {after.start - before.end} ticks")
        moved = before.departure in (after.arrival, after.start)
        if scenario.blocking != "no" and not moved:
            when = f"leaves {before.machine} at {before.departure}"
            yield Violation("buffer", f"{job.name} {when}, but {after.name} starts {after.start}")
    if scenario.no_wait and any(len(done.runs) > 1 for done in route):
        yield Violation("no-wait", f"{job.name} is interrupted")


def _machines(
    scenario: JobShop, routes: list[list[Done]], timeline: Timeline
) -> Iterator[Violation]:
    queues: dict[str, list[Done]] = defaultdict(list)
    for route in routes:
        for done in route:
            queues[done.machine].append(done)
    broken: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for span in timeline.spans("broken"):
        broken[span.lane].append((span.start, span.end))
    setups = {(s.machine, s.before, s.after): s.duration for s in scenario.setups}
    for machine in scenario.machines:
        queue = sorted(
            queues[machine.name], key=lambda d: (d.start, d.departure, d.arrival, d.place)
        )
        family, free = machine.family, 0
        for done in queue:
            if done.arrival < free:
                yield Violation("capacity", f"{done.name} takes {machine.name} before it is free")
            need = setups.get(
                (machine.name, family, done.family), setups.get(("", family, done.family), 0)
            )
            if done.setup != need:
                yield Violation("setup", f"{done.name} is set up {done.setup} ticks, not {need}")
            family, free = done.family, done.departure
        end = max((d.end for d in queue), default=0)
        closed = [] if machine.calendar is None else _until(machine.calendar.closures(end), end)
        yield from _outages(machine.name, queue, sorted(closed + broken[machine.name]))


def _until(windows: Iterator[tuple[int, int]], end: int) -> list[tuple[int, int]]:
    found = []
    for window in windows:
        if window[0] >= end:
            break
        found.append(window)
    return found


def _outages(
    machine: str, queue: list[Done], outages: list[tuple[int, int]]
) -> Iterator[Violation]:
    """No work while the machine is out, and no pause while it is not."""
    for done in queue:
        for run in done.runs:
            for start, end in outages:
                if run.start < end and start < run.end:
                    yield Violation("outage", f"{done.name} runs on {machine} during {start}-{end}")
        for before, after in pairwise(done.runs):
            at = before.end
            for start, end in outages:
                if start <= at < end:
                    at = end
            if at < after.start:
                yield Violation("interrupted", f"{done.name} pauses at {at} without an outage")


Move = tuple[int, int]
"""The step of a job, by number, from its operation at this place in the route to the next."""


def _swaps(routes: list[list[Done]]) -> Iterator[Violation]:
    """Circles of moves at one instant, of which each has to wait for another to make room."""
    for time, earlier in sorted(_waits(routes).items()):
        left = {move: set(before) for move, before in earlier.items()}
        for before in earlier.values():
            left |= {move: set() for move in before if move not in left}
        while gone := {move for move, before in left.items() if not before}:
            left = {move: before - gone for move, before in left.items() if move not in gone}
        if left:
            machines = {routes[job][place].machine for job, place in left}
            yield Violation("swap", f"jobs exchange {', '.join(sorted(machines))} at {time}")


def _waits(routes: list[list[Done]]) -> dict[int, dict[Move, set[Move]]]:
    """Per instant, the moves that must have been made before each move can be.

    Those are the moves away from its machine, and the job's own earlier ones. The order of two
    operations that take no time on one machine at one instant is open, so they do not count.
    """
    waits: dict[int, dict[Move, set[Move]]] = defaultdict(lambda: defaultdict(set))
    leaving: dict[tuple[str, int], list[tuple[Move, bool]]] = defaultdict(list)
    for job, route in enumerate(routes):
        for place, done in enumerate(route[:-1]):
            stays = done.arrival < done.departure
            leaving[done.machine, done.departure].append(((job, place), stays))
            if place and done.arrival == done.departure == route[place - 1].departure:
                waits[done.departure][job, place].add((job, place - 1))
    for job, route in enumerate(routes):
        for place, (before, after) in enumerate(pairwise(route)):
            time = before.departure
            if after.arrival != time:
                continue
            move, brief = (job, place), after.arrival == after.departure
            for other, stays in leaving[after.machine, time]:
                if other != move and (stays or not brief) and other != (job, place + 1):
                    waits[time][move].add(other)
    return waits
