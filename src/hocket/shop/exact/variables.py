"""The variables of the job shop model, and the constraints of single operations and jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hocket.shop.exact.case import Case
from hocket.shop.exact.openings import Windows, pauses
from hocket.solvers.cpsat import Rules, cp_model

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import CpModel, IntVar

Linear = Any
"""An int, a variable, or a linear expression of OR-Tools."""


@dataclass
class Variables:
    """The model and, by operation number, its variables. Times are ticks.

    - `enter`, `start`, `finish`, `leave`: the job comes onto the machine, the work starts and ends,
      the job goes. Without setups `enter` is `start`; with buffers `leave` is `finish`.
    - `present[o, m]`: the literal of operation o being done on machine m
    - `pause[o, m, t]`: it is, and closing hours interrupt it for t ticks in all
    - `follows[o, p, m]`: where such literals are needed, o comes before p on m: at any distance, or
      with setups directly (-1 for the idle machine before the first and after the last)
    - `goal`: the objective
    - `early`: how long before its start a job is on the machine that is being set up for it
    """

    case: Case
    model: CpModel
    rules: Rules
    start: dict[int, Linear] = field(default_factory=dict)
    finish: dict[int, Linear] = field(default_factory=dict)
    enter: dict[int, Linear] = field(default_factory=dict)
    leave: dict[int, Linear] = field(default_factory=dict)
    present: dict[tuple[int, int], IntVar] = field(default_factory=dict)
    pause: dict[tuple[int, int, int], IntVar] = field(default_factory=dict)
    follows: dict[tuple[int, int, int], IntVar] = field(default_factory=dict)
    early: dict[int, IntVar] = field(default_factory=dict)
    goal: Linear = 0

    @property
    def planned(self) -> list[int]:
        """The operations of the jobs to plan, in order."""
        return [o for job in self.case.jobs for o in self.case.operations(job)]

    def closes(self, operation: int) -> bool:
        """Whether a machine of the operation has opening hours."""
        return any(self.case.opened[m] is not None for m, _ in self.case.data.choices[operation])

    def time(self, name: str) -> IntVar:
        """A new variable for a time between now and the horizon."""
        return self.model.new_int_var(self.case.now, self.case.horizon, name)


def operations(v: Variables) -> None:
    """Start, finish and machine of every operation; settled ones are constants."""
    for job in v.case.jobs:
        earliest = max(v.case.now, v.case.shop.jobs[job].release)
        for o in v.case.operations(job):
            place = v.case.past.get(o)
            if place is None:
                _open_operation(v, o, earliest)
                earliest += int(v.case.data.shortest[o])
            else:
                v.start[o], v.finish[o] = place.start, place.finish
                v.present[o, place.machine] = v.model.new_constant(1)


def _open_operation(v: Variables, o: int, earliest: int) -> None:
    case, model = v.case, v.model
    name = case.data.operations[o]
    start = v.start[o] = model.new_int_var(earliest, max(earliest, case.horizon), f"start {name}")
    choices = case.data.choices[o]
    if len(choices) == 1 and case.opened[choices[0][0]] is None:
        machine, duration = choices[0]
        v.present[o, machine] = model.new_constant(1)
        v.finish[o] = start + duration
        model.add(v.finish[o] <= case.horizon)
        return
    finish = v.finish[o] = v.time(f"finish {name}")
    model.add(finish >= start + int(case.data.shortest[o]))
    for machine, duration in choices:
        where = f"{name} on {case.data.machines[machine]}"
        here = model.new_constant(1) if len(choices) == 1 else model.new_bool_var(where)
        v.present[o, machine] = here
        opened = case.opened[machine]
        if opened is None:
            model.add(finish == start + duration).only_enforce_if(here)
        else:
            _interrupted(v, o, machine, duration, opened)
    if len(choices) > 1:
        model.add_exactly_one(v.present[o, m] for m, _ in choices)


def _interrupted(v: Variables, o: int, machine: int, duration: int, opened: Windows) -> None:
    """Work that pauses while the machine is closed: the start decides how long in all."""
    model, case, here = v.model, v.case, v.present[o, machine]
    calendar = v.rules.on(f"the calendar of {case.data.machines[machine]}")
    job = case.data.jobs[case.data.job[o]]
    model.add(v.finish[o] >= v.start[o] + duration).only_enforce_if(here)
    literals = []
    for pause, starts in sorted(pauses(opened, duration).items()):
        one = v.pause[o, machine, pause] = model.new_bool_var(f"{o} pauses {pause} on {machine}")
        literals.append(one)
        domain = cp_model().Domain.from_intervals([[low, high - 1] for low, high in starts])
        on = [one, *calendar]
        model.add_linear_expression_in_domain(v.start[o], domain).only_enforce_if(on)
        model.add(v.finish[o] == v.start[o] + duration + pause).only_enforce_if(on)
        if case.shop.no_wait and pause:
            model.add(one == 0).only_enforce_if([*calendar, *v.rules.on(f"no-wait of {job}")])
    # Without a fitting start in any window the machine is no choice for this operation.
    model.add(sum(literals) == here).only_enforce_if(calendar)


def routes(v: Variables) -> None:
    """The order of each job's operations, and when the job goes from machine to machine."""
    case, model = v.case, v.model
    for job in case.jobs:
        line = case.operations(job)
        waits = v.rules.on(f"no-wait of {case.data.jobs[job]}")
        for o in line:
            v.enter[o] = _entering(v, o)
        for o, following in pairwise(line):
            model.add(v.start[following] >= v.finish[o])
            if case.shop.no_wait:
                model.add(v.start[following] == v.finish[o]).only_enforce_if(waits)
            if case.blocking:
                v.leave[o] = v.enter[following]
                model.add(v.leave[o] >= v.finish[o])
            else:
                v.leave[o] = v.finish[o]
        v.leave[line[-1]] = v.finish[line[-1]]


def _entering(v: Variables, o: int) -> Linear:
    """When a job comes onto the machine: as its setup starts, or when it is set up already."""
    case = v.case
    if o in case.past or not (case.blocking and any(case.setups)):
        return v.start[o]
    longest = max(_longest_setup(case, o, m) for m, _ in case.data.choices[o])
    if not longest:
        return v.start[o]
    v.early[o] = v.model.new_int_var(0, longest, f"setup of {o} with the job")
    enter = v.time(f"enter {case.data.operations[o]}")
    v.model.add(enter == v.start[o] - v.early[o])
    return enter


def _longest_setup(case: Case, o: int, machine: int) -> int:
    into = case.data.families[o]
    return max((d for (_, after), d in case.setups[machine].items() if after == into), default=0)
