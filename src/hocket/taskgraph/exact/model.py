"""The makespan of task graphs as a constraint program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hocket.solvers.cpsat import cp_model
from hocket.taskgraph.exact.case import Case

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import CpModel, IntVar


@dataclass(frozen=True, slots=True)
class Placed:
    """Where and when each task runs: `processor[i]`, `start[i]`."""

    processor: tuple[int, ...]
    start: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Variables:
    """The model and what is read from its solution."""

    model: CpModel
    start: list[IntVar]
    there: list[dict[int, IntVar]]
    makespan: IntVar


def build(case: Case, horizon: int) -> Variables:
    """A model of all schedules that end by `horizon`.

    One optional interval per task and processor that can run it; processors of capacity one run
    one task at a time, others as many as they can; data take `Platform.delay` between processors.
    """
    model = cp_model().CpModel()
    count, processors = len(case.names), range(len(case.platform.names))
    start = [model.new_int_var(case.release[i], horizon, f"start {i}") for i in range(count)]
    end = [model.new_int_var(case.release[i], horizon, f"end {i}") for i in range(count)]
    there: list[dict[int, Any]] = []
    intervals: list[list[Any]] = [[] for _ in processors]
    for i in range(count):
        on = {p: model.new_bool_var(f"{i} on {p}") for p in case.able(i)}
        there.append(on)
        model.add_exactly_one(on.values())
        for p, literal in on.items():
            length = case.durations[i][p]
            intervals[p].append(
                model.new_optional_interval_var(start[i], length, end[i], literal, f"{i} at {p}")
            )
    for p in processors:
        if case.platform.capacity[p] == 1:
            model.add_no_overlap(intervals[p])
        else:
            demands = [1] * len(intervals[p])
            model.add_cumulative(intervals[p], demands, case.platform.capacity[p])
    if case.platform.shared:
        _through_memory(model, case, start, end, there, horizon)
    else:
        _direct(model, case, start, end, there)
    makespan = model.new_int_var(0, horizon, "makespan")
    model.add_max_equality(makespan, end)
    model.minimize(makespan)
    return Variables(model, start, there, makespan)


def _direct(model: Any, case: Case, start: list[Any], end: list[Any], there: list[Any]) -> None:
    for a, b, volume in case.edges:
        delays = {(p, q): case.platform.transfer(volume, p, q) for p in there[a] for q in there[b]}
        least = min(delays.values())
        model.add(start[b] >= end[a] + least)
        for (p, q), delay in delays.items():
            if delay > least:
                both = [there[a][p], there[b][q]]
                model.add(start[b] >= end[a] + delay).only_enforce_if(both)


def _through_memory(
    model: Any, case: Case, start: list[Any], end: list[Any], there: list[Any], horizon: int
) -> None:
    """A task is ready when all inputs are in memory; then each travels to its processor."""
    inputs: dict[int, list[tuple[int, float]]] = {}
    for a, b, volume in case.edges:
        inputs.setdefault(b, []).append((a, volume))
    for b, pairs in inputs.items():
        ready = model.new_int_var(0, horizon, f"ready {b}")
        for a, volume in pairs:
            for p, literal in there[a].items():
                delay = case.platform.through_memory(volume, p)
                model.add(ready >= end[a] + delay).only_enforce_if(literal)
        for q, literal in there[b].items():
            delay = max(case.platform.through_memory(volume, q) for _, volume in pairs)
            model.add(start[b] >= ready + delay).only_enforce_if(literal)


def hint(variables: Variables, placed: Placed) -> list[tuple[IntVar, int]]:
    """A known schedule as a start for the search."""
    pairs = list(zip(variables.start, placed.start, strict=True))
    for on, p in zip(variables.there, placed.processor, strict=True):
        pairs += [(literal, int(q == p)) for q, literal in on.items()]
    return pairs
