"""One constraint model for every combination of a job shop's options.

Interval variables and NoOverlap as usual (Laborie, Rogerie, Shaw, Vilim, "IBM ILOG CP Optimizer for
scheduling", Constraints 23, 2018); each option adds its part:

- alternatives: one optional interval per machine
- calendars: the interruption is a function of the start (`openings.pauses`)
- blocking: the machine is occupied until the job enters the next one; spans are half-open, so jobs
  may swap; without swap, ranks of the moves forbid circles (`sequencing`)
- setups: a circuit per machine (`sequencing`); they may be done before the job comes, and while the
  machine is closed
- no-wait: the next operation starts when the one before ends
"""

from __future__ import annotations

from hocket.shop.exact import objective, sequencing, variables
from hocket.shop.exact.case import Case
from hocket.shop.exact.plan import Placed, Plan
from hocket.shop.exact.variables import Linear, Variables
from hocket.solvers.cpsat import Outcome, Rules, cp_model


def build(case: Case, *, named: bool = False) -> Variables:
    """The model of a case; `named` makes its rules switchable, to explain a contradiction."""
    model = cp_model().CpModel()
    v = Variables(case, model, Rules(model, named=named))
    variables.operations(v)
    variables.routes(v)
    sequencing.machines(v)
    v.goal = objective.minimised(v)
    model.minimize(v.goal)
    return v


def read(v: Variables, outcome: Outcome) -> Plan:
    """The plan of the best solution."""
    plan: Plan = {}
    for o in v.planned:
        machine = next(m for m in range(len(v.case.data.machines)) if _chosen(v, outcome, o, m))
        start = _value(outcome, v.start[o])
        if o in v.case.past or v.closes(o):
            finish = _value(outcome, v.finish[o])
        else:
            finish = start + int(v.case.data.duration[machine, o])
        keeps = v.case.blocking and o + 1 < v.case.data.first[v.case.data.job[o] + 1]
        leave = _value(outcome, v.leave[o]) if keeps else finish
        plan[o] = Placed(machine, start, finish, leave)
    return plan


def _chosen(v: Variables, outcome: Outcome, operation: int, machine: int) -> bool:
    literal = v.present.get((operation, machine))
    return literal is not None and outcome[literal] == 1


def _value(outcome: Outcome, time: Linear) -> int:
    return time if isinstance(time, int) else outcome[time]
