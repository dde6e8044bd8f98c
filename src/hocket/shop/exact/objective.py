"""The objectives of `model.objectives`, as expressions over job completions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hocket.shop.exact.variables import Linear, Variables

if TYPE_CHECKING:
    from hocket.shop.model.jobshop import Job


def minimised(v: Variables) -> Linear:
    """The objective of the case as a linear expression; adds what it needs to the model."""
    ends = {j: v.finish[v.case.operations(j)[-1]] for j in v.case.jobs}
    jobs = {j: v.case.shop.jobs[j] for j in v.case.jobs}
    match v.case.objective:
        case "makespan":
            makespan = v.time("makespan")
            for end in ends.values():
                v.model.add(makespan >= end)
            _machine_loads(v, makespan)
            return makespan
        case "total_flow_time":
            return sum(end - jobs[j].release for j, end in ends.items())
        case "weighted_flow_time":
            return sum(jobs[j].weight * (end - jobs[j].release) for j, end in ends.items())
        case "total_tardiness":
            return sum(_tardiness(v, j, end) for j, end in ends.items() if _due(jobs[j]))
        case "weighted_tardiness":
            return sum(
                jobs[j].weight * _tardiness(v, j, end) for j, end in ends.items() if _due(jobs[j])
            )
        case "max_lateness":
            return _max_lateness(v, {j: end for j, end in ends.items() if _due(jobs[j])})
        case "late_jobs":
            return sum(_late(v, j, end) for j, end in ends.items() if _due(jobs[j]))
    raise ValueError(f"unknown objective {v.case.objective!r}")


def _machine_loads(v: Variables, makespan: Linear) -> None:
    """No machine has more work than time: redundant, but strong where work can be shared."""
    for m in range(len(v.case.data.machines)):
        chosen = [o for o in v.planned if (o, m) in v.present and o not in v.case.past]
        if any(len(v.case.data.choices[o]) > 1 for o in chosen):
            work = sum(int(v.case.data.duration[m, o]) * v.present[o, m] for o in chosen)
            v.model.add(work <= makespan - v.case.now)


def _due(job: Job) -> bool:
    return job.due is not None


def _tardiness(v: Variables, job: int, end: Linear) -> Linear:
    due = v.case.shop.jobs[job].due
    assert due is not None
    late = v.model.new_int_var(0, max(0, v.case.horizon - due), f"tardiness {job}")
    v.model.add(late >= end - due)
    return late


def _late(v: Variables, job: int, end: Linear) -> Linear:
    due = v.case.shop.jobs[job].due
    assert due is not None
    late = v.model.new_bool_var(f"{job} is late")
    v.model.add(end <= due).only_enforce_if(late.negated())
    return late


def _max_lateness(v: Variables, ends: dict[int, Linear]) -> Linear:
    dues = {j: v.case.shop.jobs[j].due or 0 for j in ends}
    low, high = -max(dues.values(), default=0), v.case.horizon
    lateness = v.model.new_int_var(low, high, "max lateness")
    for j, end in ends.items():
        v.model.add(lateness >= end - dues[j])
    return lateness
