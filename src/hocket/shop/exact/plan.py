"""A schedule as the solvers see it, and its way into and out of a Timeline."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

from hocket.core.timeline import Timeline
from hocket.shop.exact.openings import pieces, windows
from hocket.shop.model.arrays import ShopArrays, setup_times
from hocket.shop.model.jobshop import JobShop


class Placed(NamedTuple):
    """Where and when an operation is done (ticks).

    `machine` is an index; the job leaves the machine at `leave`, which is later than `finish` only
    in a shop without buffers.
    """

    machine: int
    start: int
    finish: int
    leave: int


Plan = dict[int, Placed]
"""The place of every planned operation, by its number in `ShopArrays`."""


def sequences(data: ShopArrays, plan: Plan) -> list[list[int]]:
    """The operations of every machine, in the order in which they are done."""
    found: list[list[int]] = [[] for _ in data.machines]
    for operation in sorted(plan, key=lambda o: (plan[o].start, plan[o].leave, o)):
        found[plan[operation].machine].append(operation)
    return found


def to_timeline(shop: JobShop, data: ShopArrays, plan: Plan) -> Timeline:
    """Draw a plan: spans ``setup``, ``run`` (one per uninterrupted part) and ``blocked``."""
    timeline = Timeline(shop.time_unit, tuple(data.machines))
    for job in sorted(shop.jobs, key=lambda j: j.release):
        timeline.point("arrive", "", job.name, "", job.release)
    tables = setup_times(shop)
    end = max((p.finish for p in plan.values()), default=0)
    for m, (machine, line) in enumerate(zip(shop.machines, sequences(data, plan), strict=True)):
        opened = None
        if machine.calendar is not None:
            opened = windows(machine.calendar.closures(end), end)
        family = machine.family
        for operation in line:
            place = plan[operation]
            labels = (data.machines[m], data.jobs[data.job[operation]], data.operations[operation])
            setup = tables[m].get((family, data.families[operation]), 0)
            family = data.families[operation]
            if setup:
                timeline.span("setup", *labels, place.start - setup, place.start)
            for begin, stop in pieces(opened, place.start, place.finish):
                timeline.span("run", *labels, begin, stop)
            if place.leave > place.finish:
                timeline.span("blocked", *labels, place.finish, place.leave)
    return timeline


def from_timeline(data: ShopArrays, timeline: Timeline) -> Plan:
    """Read a plan back from a complete timeline. Raises ValueError when an operation is missing."""
    number = {(data.jobs[data.job[o]], name): o for o, name in enumerate(data.operations)}
    lanes = {name: i for i, name in enumerate(data.machines)}
    parts: dict[int, list[tuple[int, int]]] = defaultdict(list)
    machine: dict[int, int] = {}
    leave: dict[int, int] = defaultdict(int)
    for span in timeline.spans():
        operation = number.get((span.group, span.name))
        if operation is None or span.kind not in ("run", "blocked"):
            continue
        leave[operation] = max(leave[operation], span.end)
        if span.kind == "run":
            parts[operation].append((span.start, span.end))
            machine[operation] = lanes[span.lane]
    missing = [data.operations[o] for o in range(len(data.operations)) if o not in machine]
    if missing:
        raise ValueError(f"the timeline does not run {', '.join(missing[:5])}")
    return {
        o: Placed(machine[o], min(parts[o])[0], max(e for _, e in parts[o]), leave[o])
        for o in range(len(data.operations))
    }


def completions(data: ShopArrays, plan: Plan) -> list[int]:
    """When each job is done."""
    return [plan[last - 1].finish for _, last in pairwise(data.first)]
