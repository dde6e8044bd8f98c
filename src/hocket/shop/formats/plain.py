"""What the text formats cannot hold. A writer refuses rather than lose part of a problem."""

from __future__ import annotations

from collections.abc import Iterator

from hocket.core.errors import InputError, NotApplicable, Problem
from hocket.shop.model import Job, JobShop, Machine

ALTERNATIVES = frozenset({"alternatives"})
TABLE = ALTERNATIVES | {"release", "due", "weight", "family"}


def require_plain(
    scenario: object, format_name: str, held: frozenset[str] = frozenset()
) -> JobShop:
    """The scenario, if it is a job shop of jobs, machines, durations and what is in `held`.

    Raises NotApplicable for another problem, and InputError naming everything that would be lost.
    Names of operations, the objective and the unit of time change no schedule; they are dropped
    without complaint where a format has no place for them.
    """
    if not isinstance(scenario, JobShop):
        kind = type(scenario).__name__
        raise NotApplicable(f"{format_name} holds job shops, and this is a {kind}")
    first: dict[str, str] = {}  # what would be lost, and where it first occurs
    count: dict[str, int] = {}
    for what, path in _extras(scenario):
        if what not in held:
            first.setdefault(what, path)
            count[what] = count.get(what, 0) + 1
    if first:
        lost = [Problem(path, _said(count[what])) for what, path in first.items()]
        hint = "YAML, TOML and JSON hold everything: write one of these"
        if set(first) == ALTERNATIVES:
            hint = "FJSPLIB holds alternatives: write that"
        raise InputError(f"{scenario.name or 'this scenario'} as {format_name}", [*lost, hint])
    return scenario


def _said(count: int) -> str:
    return "would be lost" + (f", the first of {count}" if count > 1 else "")


def _extras(scenario: JobShop) -> Iterator[tuple[str, str]]:
    """Everything beyond jobs, machines and durations that the scenario uses, with its path."""
    plain = JobShop(jobs=(), machines=())
    for name in ("setups", "blocking", "no_wait", "noise", "arrivals"):
        if getattr(scenario, name) != getattr(plain, name):
            yield name, name
    idle = Machine(name="")
    for i, machine in enumerate(scenario.machines):
        for name in ("calendar", "breakdowns", "family"):
            if getattr(machine, name) != getattr(idle, name):
                yield f"{name} of machines", f"machines[{i}].{name}"
    for i, job in enumerate(scenario.jobs):
        for name, path in _job_extras(job):
            yield name, f"jobs[{i}].{path}"


def _job_extras(job: Job) -> Iterator[tuple[str, str]]:
    if job.release:
        yield "release", "release"
    if job.due is not None:
        yield "due", "due"
    if job.weight != 1:
        yield "weight", "weight"
    for k, operation in enumerate(job.operations):
        if operation.family:
            yield "family", f"operations[{k}].family"
        if len(operation.alternatives) > 1:
            yield "alternatives", f"operations[{k}].alternatives"
