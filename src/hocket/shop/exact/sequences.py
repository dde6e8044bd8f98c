"""Single-machine problems that a rule solves: optimal sequences in O(n log n).

All take jobs that are released together. A job without a due date never is late, so it goes last
where only due dates count.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from fractions import Fraction

from hocket.shop.model.single import SingleJob

Order = list[int]
"""Indices of jobs, in the order in which they are done."""


def shortest_first(jobs: Sequence[SingleJob]) -> Order:
    """SPT: least total flow time (Smith, Naval Research Logistics Quarterly 3, 1956)."""
    return sorted(range(len(jobs)), key=lambda j: jobs[j].duration)


def weighted_shortest_first(jobs: Sequence[SingleJob]) -> Order:
    """WSPT, ascending duration per weight: least weighted flow time (Smith 1956)."""

    def ratio(j: int) -> tuple[bool, Fraction]:
        weight = jobs[j].weight
        return weight == 0, Fraction(jobs[j].duration, weight or 1)

    return sorted(range(len(jobs)), key=ratio)


def earliest_due_first(jobs: Sequence[SingleJob]) -> Order:
    """EDD: least maximal lateness (Jackson, UCLA Research Report 43, 1955)."""
    return sorted(range(len(jobs)), key=lambda j: _due(jobs[j]))


def earliest_release_first(jobs: Sequence[SingleJob]) -> Order:
    """ERD: least makespan, also when releases differ; the machine idles only if no job is there."""
    return sorted(range(len(jobs)), key=lambda j: jobs[j].release)


def fewest_late(jobs: Sequence[SingleJob]) -> Order:
    """Fewest late jobs (Moore, Management Science 15, 1968, with Hodgson's algorithm).

    Add the jobs by due date; when one would be late, set the longest job so far aside for the end.
    """
    time = min((job.release for job in jobs), default=0)
    kept: list[tuple[int, int]] = []  # a heap of (-duration, job)
    for j in earliest_due_first(jobs):
        heapq.heappush(kept, (-jobs[j].duration, j))
        time += jobs[j].duration
        if time > _due(jobs[j]):
            time += heapq.heappop(kept)[0]
    on_time = {j for _, j in kept}
    order = earliest_due_first(jobs)
    return [j for j in order if j in on_time] + [j for j in order if j not in on_time]


def _due(job: SingleJob) -> float:
    return math.inf if job.due is None else job.due
