"""What a run costs: the time that jobs spend in the system, beyond what ETF would have needed."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from hocket.core.timeline import Timeline
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.roles import Job, View

PAR_SEEDS = range(2**31 - 4, 2**31)
"""The runs of ETF that set the par: no evaluation or training uses these seeds."""


class Meter:
    """The cost of a run until now, in ticks: the time that jobs have spent in the system so far
    (Little's law makes the mean latency of it), less `par` ticks for each that has been completed.

    Without the par, a full system that turns jobs away would reward those who keep it full of jobs
    that never end.
    """

    def __init__(self, par: float) -> None:
        """Nothing has happened."""
        self.par = par
        self._past = 0.0
        self._here: dict[int, Job] = {}

    def read(self, view: View) -> float:
        """The cost until now. Every job must have been in the view of some reading."""
        here = {job.number: job for job in view.jobs}
        for number, job in self._here.items():
            if number not in here:
                self._past += job.finish - job.arrival - self.par
        self._here = here
        return self._past + sum([view.now - job.arrival for job in view.jobs])


def total(scenario: TaskGraphs, timeline: Timeline, par: float) -> float:
    """The cost of a finished run; jobs that are not done were there until its end."""
    spent, completed = time_in_system(scenario, timeline)
    return spent - par * completed


def time_in_system(scenario: TaskGraphs, timeline: Timeline) -> tuple[int, int]:
    """The ticks that jobs spent in the system, summed, and how many were completed."""
    end = timeline.end if scenario.horizon is None else scenario.horizon
    done = {point.group: point.time for point in timeline.points("done")}
    spent = sum(done.get(job.group, end) - job.time for job in timeline.points("arrive"))
    return spent, len(done)


def par(scenario: TaskGraphs) -> float:
    """Ticks in the system per completed job under ETF; 0 if it completes none."""
    return _par(msgspec.json.encode(scenario, order="deterministic"))


@lru_cache(maxsize=256)
def _par(encoded: bytes) -> float:
    from hocket.taskgraph.policies.runtime import ETF
    from hocket.taskgraph.simulate.world import simulate

    scenario = msgspec.json.decode(encoded, type=TaskGraphs)
    spent = completed = 0
    for seed in PAR_SEEDS:
        timeline = simulate(scenario, ETF(), seed=seed)
        more = time_in_system(scenario, timeline)
        spent, completed = spent + more[0], completed + more[1]
    return spent / completed if completed else 0.0
