"""A job shop as arrays: what the simulator, the rules and the view compute with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hocket.shop.model.jobshop import JobShop

Ints = npt.NDArray[np.int64]

Setups = list[dict[tuple[str, str], int]]
"""Per machine, ``(family before, family after) -> ticks``; what is not listed takes no time."""

NEVER = 2**50
"""Ticks that stand for "not possible" and "not due": a thousand times the longest time that a
scenario may hold, and safe to add."""


@dataclass(frozen=True, slots=True)
class ShopArrays:
    """Operations are numbered job by job: those of job j are ``first[j] .. first[j + 1] - 1``.

    Lists are indexed by operation (N of them), job (J) or machine (M) as said; all arrays are
    read-only int64. Times are ticks.

    - `choices[o]`: the (machine, duration) pairs that can do operation o
    - `duration[m, o]`: duration of o on m, NEVER where m cannot do it
    - `shortest[o]`: duration on the fastest machine
    - `remaining_work[o]`, `remaining_ops[o]`: from o (included) to the end of its job
    - `release[o]`, `due[o]`, `weight[o]`: of o's job; NEVER where the job has no due date
    """

    jobs: list[str]
    machines: list[str]
    operations: list[str]
    first: list[int]
    job: Ints
    choices: list[tuple[tuple[int, int], ...]]
    families: list[str]
    duration: Ints
    shortest: Ints
    remaining_work: Ints
    remaining_ops: Ints
    release: Ints
    due: Ints
    weight: Ints


def arrays(shop: JobShop) -> ShopArrays:
    """Compile a sound scenario."""
    machines = [m.name for m in shop.machines]
    index = {name: i for i, name in enumerate(machines)}
    first, choices, operations, families = [0], [], [], []
    for job in shop.jobs:
        for k, operation in enumerate(job.operations):
            choices.append(tuple((index[c.machine], c.duration) for c in operation.choices()))
            operations.append(operation.name or f"{job.name}.{k}")
            families.append(operation.family)
        first.append(len(choices))
    lengths = np.diff(first)
    job_of = np.repeat(np.arange(len(shop.jobs)), lengths)
    shortest = np.array([min(d for _, d in c) for c in choices], np.int64)
    duration = np.full((len(machines), len(choices)), NEVER, np.int64)
    for o, pairs in enumerate(choices):
        for m, d in pairs:
            duration[m, o] = d
    last = np.repeat(np.array(first[1:]), lengths)
    done_before = np.concatenate(([0], np.cumsum(shortest)))
    due = [NEVER if j.due is None else j.due for j in shop.jobs]
    return ShopArrays(
        jobs=[j.name for j in shop.jobs],
        machines=machines,
        operations=operations,
        first=first,
        job=_fixed(job_of),
        choices=choices,
        families=families,
        duration=_fixed(duration),
        shortest=_fixed(shortest),
        remaining_work=_fixed(done_before[last] - done_before[:-1]),
        remaining_ops=_fixed(last - np.arange(len(choices))),
        release=_fixed(np.repeat(np.array([j.release for j in shop.jobs]), lengths)),
        due=_fixed(np.repeat(np.array(due), lengths)),
        weight=_fixed(np.repeat(np.array([j.weight for j in shop.jobs]), lengths)),
    )


def setup_times(shop: JobShop) -> Setups:
    """The setups of each machine; an entry for that machine wins over one for all machines."""
    general = {(s.before, s.after): s.duration for s in shop.setups if not s.machine}
    own: dict[str, dict[tuple[str, str], int]] = {machine.name: {} for machine in shop.machines}
    for setup in shop.setups:
        if setup.machine:
            own[setup.machine][setup.before, setup.after] = setup.duration
    return [general | own[machine.name] for machine in shop.machines]


def _fixed(values: Ints) -> Ints:
    values = values.astype(np.int64, copy=False)
    values.flags.writeable = False
    return values
