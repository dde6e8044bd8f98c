"""The best schedule of a tiny job shop by trying every assignment and every machine sequence.

For fixed sequences the earliest schedule is the least fixed point of "nothing starts before what it
waits for", found by pushing starts later until nothing moves. It shares no code with the solvers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from hocket.shop.model import JobShop

FAR = 300  # ticks; a schedule that gets so late waits for itself in a circle
SCALE = 1_000  # sub-ticks: without swap every hand-over takes one, so circles never settle


def best(shop: JobShop, objective: str) -> int | None:
    """The optimal objective value; None if there is no schedule."""
    values = (value(shop, objective, ends) for ends in schedules(shop))
    return min(values, default=None)


def value(shop: JobShop, objective: str, ends: list[int]) -> int:
    rows = list(zip(shop.jobs, ends, strict=True))
    due = [(end - job.due, job.weight) for job, end in rows if job.due is not None]
    return {
        "makespan": lambda: max(ends),
        "total_flow_time": lambda: sum(end - job.release for job, end in rows),
        "weighted_flow_time": lambda: sum(job.weight * (end - job.release) for job, end in rows),
        "total_tardiness": lambda: sum(max(0, late) for late, _ in due),
        "weighted_tardiness": lambda: sum(w * max(0, late) for late, w in due),
        "max_lateness": lambda: max(late for late, _ in due),
        "late_jobs": lambda: sum(late > 0 for late, _ in due),
    }[objective]()


def schedules(shop: JobShop) -> Iterator[list[int]]:
    """The completion times of every schedule that is earliest for its sequences."""
    ops = [(j, k) for j, job in enumerate(shop.jobs) for k in range(len(job.operations))]
    choices = [shop.jobs[j].operations[k].choices() for j, k in ops]
    for picked in itertools.product(*choices):
        machine = {op: c.machine for op, c in zip(ops, picked, strict=True)}
        duration = {op: c.duration for op, c in zip(ops, picked, strict=True)}
        queues = [[op for op in ops if machine[op] == m.name] for m in shop.machines]
        for orders in itertools.product(*(_orders(q) for q in queues)):
            setup = _setups(shop, orders)
            asked = [op for op in ops if setup[op] and op[1] > 0] if shop.blocking != "no" else []
            for inside in itertools.product((False, True), repeat=len(asked)):
                there = {op for op, yes in zip(asked, inside, strict=True) if yes}
                ends = _earliest(shop, machine, duration, orders, setup, there)
                if ends is not None:
                    yield ends


def _orders(queue):
    for order in itertools.permutations(queue):
        if all(a[0] != b[0] or a[1] < b[1] for a, b in itertools.combinations(order, 2)):
            yield order


def _setups(shop, orders):
    named = {(s.machine, s.before, s.after): s.duration for s in shop.setups}
    setup = {}
    for machine, order in zip(shop.machines, orders, strict=True):
        family = machine.family
        for j, k in order:
            after = shop.jobs[j].operations[k].family
            common = named.get(("", family, after), 0)
            setup[j, k] = named.get((machine.name, family, after), common)
            family = after
    return setup


def _earliest(shop, machine, duration, orders, setup, there):
    calendars = {m.name: m.calendar for m in shop.machines}
    before = {b: a for order in orders for a, b in itertools.pairwise(order)}
    start = {op: shop.jobs[op[0]].release * SCALE for op in machine}
    circle = 1 if shop.blocking == "no-swap" else 0
    last = {(j, len(job.operations) - 1) for j, job in enumerate(shop.jobs)}

    def finish(op):
        at, calendar = start[op], calendars[machine[op]]
        if calendar is None:
            return at + duration[op] * SCALE
        left = duration[op]
        tick = at // SCALE
        while left:
            left -= calendar.is_open(tick)
            tick += 1
        return tick * SCALE + at % SCALE

    def enter(op):
        return start[op] - (setup[op] * SCALE if op in there else 0)

    def leave(op):
        if shop.blocking == "no" or op in last:
            return finish(op)
        return enter((op[0], op[1] + 1)) + circle

    moved = True
    while moved:
        moved = False
        for op in start:
            calendar = calendars[machine[op]]
            need = setup[op] * SCALE
            if op in before and not (circle and before[op] == (op[0], op[1] - 1)):
                need = leave(before[op]) + setup[op] * SCALE
            elif op in before:
                need = finish(before[op]) + setup[op] * SCALE
            if op[1] > 0:
                done = finish((op[0], op[1] - 1))
                need = max(need, done + (setup[op] * SCALE if op in there else 0))
            if shop.no_wait and op not in last:
                need = max(need, start[op[0], op[1] + 1] - duration[op] * SCALE)
            at = max(start[op], need)
            while calendar is not None and not _fits(calendar, at // SCALE, shop, duration[op]):
                at += SCALE
                if at > FAR * SCALE:
                    return None
            if at > FAR * SCALE or at % SCALE > len(start):
                return None
            if at != start[op]:
                start[op], moved = at, True
    return [finish((j, len(job.operations) - 1)) // SCALE for j, job in enumerate(shop.jobs)]


def _fits(calendar, tick, shop, duration):
    """Whether an operation may start; without waiting it must also run through."""
    ticks = range(tick, tick + max(duration, 1) if shop.no_wait else tick + 1)
    return all(calendar.is_open(t) for t in ticks)
