"""One operation at a time on every machine: sequences, setups, and hand-overs without a swap."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from hocket.shop.exact.variables import Linear, Variables

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import IntVar

MOST_PAIRS = 60_000
"""With more pairs of operations on a common machine, literals for them cost more than they help."""


def machines(v: Variables) -> None:
    """The constraints of all machines."""
    ranks = _ranks(v) if v.case.shop.blocking == "no-swap" else {}
    lines = [
        [o for o in v.planned if (o, m) in v.present and not _gone(v, o)]
        for m in range(len(v.case.data.machines))
    ]
    few = sum(len(line) ** 2 for line in lines) <= MOST_PAIRS
    for m, line in enumerate(lines):
        if not line:
            continue
        _no_overlap(v, m, line)
        if any(v.case.setups[m].values()):
            _circuit(v, m, line, ranks)
        elif ranks or few:
            _pairs(v, m, line, ranks)


def _gone(v: Variables, o: int) -> bool:
    """Whether the operation is history, and its job off the machine."""
    place = v.case.past.get(o)
    return place is not None and isinstance(v.leave[o], int) and v.leave[o] <= v.case.now


def _no_overlap(v: Variables, m: int, line: list[int]) -> None:
    model, intervals = v.model, []
    for o in line:
        here, name = v.present[o, m], f"{o} on {m}"
        duration = int(v.case.data.duration[m, o])
        certain = not v.case.blocking and v.case.opened[m] is None and o not in v.case.past
        if certain:
            one = model.new_optional_fixed_size_interval_var(v.start[o], duration, here, name)
        else:
            size = model.new_int_var(0, v.case.horizon, f"time of {name}")
            one = model.new_optional_interval_var(v.start[o], size, v.leave[o], here, name)
        intervals.append(one)
    model.add_no_overlap(intervals)


def _circuit(v: Variables, m: int, line: list[int], ranks: dict[int, Linear]) -> None:
    """A tour from the idle machine through its operations: who follows whom decides the setups.

    No pairwise constraint would do: setup times need not satisfy the triangle inequality.
    """
    model, case = v.model, v.case
    table, family = case.setups[m], case.data.families
    arcs: list[tuple[int, int, Linear]] = []
    setups: dict[int, list[tuple[int, IntVar]]] = {o: [] for o in line}
    enforced = v.rules.on(f"the setups of {case.data.machines[m]}")
    for node, o in enumerate(line, 1):
        here = v.present[o, m]
        arcs.append((node, node, here.negated()))
        first = v.follows[-1, o, m] = model.new_bool_var(f"{o} first on {m}")
        arcs.append((0, node, first))
        last = v.follows[o, -1, m] = model.new_bool_var(f"{o} last on {m}")
        arcs.append((node, 0, last))
        if o not in case.past:
            setup = table.get((case.families[m], family[o]), 0)
            setups[o].append((setup, first))
            model.add(v.start[o] >= case.now + setup).only_enforce_if(first)
        for other, p in enumerate(line, 1):
            if o == p or (case.data.job[o] == case.data.job[p] and o > p):
                continue
            arc = v.follows[o, p, m] = model.new_bool_var(f"{o} then {p} on {m}")
            arcs.append((node, other, arc))
            # What is settled is set up.
            setup = 0 if p in case.past else table.get((family[o], family[p]), 0)
            setups[p].append((setup, arc))
            model.add(v.start[p] >= v.leave[o] + setup).only_enforce_if([arc, *enforced])
            _hand_over(v, o, p, arc, ranks)
    idle = model.new_bool_var(f"{m} unused")
    arcs.append((0, 0, idle))
    for o in line:
        model.add_implication(idle, v.present[o, m].negated())
    model.add_circuit(arcs)
    for o in line:
        if o in v.early:
            _early(v, o, m, setups[o])


def _early(v: Variables, o: int, m: int, setups: list[tuple[int, IntVar]]) -> None:
    """The job is on the machine for the entire setup that comes right before, or for none of it."""
    model = v.model
    inside = model.new_bool_var(f"{o} present at its setup on {m}")
    total = sum(ticks * literal for ticks, literal in setups if ticks)
    here = v.present[o, m]
    model.add(v.early[o] == total).only_enforce_if([here, inside])
    model.add(v.early[o] == 0).only_enforce_if([here, inside.negated()])


def _pairs(v: Variables, m: int, line: list[int], ranks: dict[int, Linear]) -> None:
    """A literal for the order of every two operations.

    Ranks of the hand-overs need them. Elsewhere NoOverlap says the same, but search and learning on
    these literals prove far more: la01 takes 2 instead of 20 seconds of CPU with blocking, and 0.1
    seconds instead of minutes without waiting.
    """
    model, case = v.model, v.case
    for o, p in combinations(line, 2):
        if case.data.job[o] == case.data.job[p]:
            continue  # the ranks rise along a job anyway
        forth = v.follows[o, p, m] = model.new_bool_var(f"{o} before {p} on {m}")
        back = v.follows[p, o, m] = model.new_bool_var(f"{p} before {o} on {m}")
        both = [v.present[o, m], v.present[p, m]]
        model.add_bool_or(forth, back, *(x.negated() for x in both))
        model.add_at_most_one(forth, back)
        for a, b, literal in ((o, p, forth), (p, o, back)):
            model.add(v.start[b] >= v.leave[a]).only_enforce_if(literal)
            _hand_over(v, a, b, literal, ranks)


def _ranks(v: Variables) -> dict[int, Linear]:
    """A number for every move onto a machine, rising along what must come before what.

    Jobs that wait for each other in a circle would need ranks that rise all round it.
    """
    most = len(v.planned)
    ranks = {o: v.model.new_int_var(0, most, f"rank of {o}") for o in v.planned}
    for job in v.case.jobs:
        line = v.case.operations(job)
        for o in line[:-1]:
            v.model.add(ranks[o] < ranks[o + 1])
    return ranks


def _hand_over(v: Variables, o: int, p: int, literal: IntVar, ranks: dict[int, Linear]) -> None:
    """If o comes before p on a machine, o's job has moved on before p's moves there."""
    if not ranks:
        return
    moves = o if o + 1 == v.case.data.first[v.case.data.job[o] + 1] else o + 1
    if moves != p:
        v.model.add(ranks[moves] < ranks[p]).only_enforce_if(literal)
