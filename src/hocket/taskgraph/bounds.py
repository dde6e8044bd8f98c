"""How large the questions about a scenario can get, for those who need tables of one size."""

from __future__ import annotations

from hocket.core.errors import UserError
from hocket.taskgraph.model.jobs import Listed
from hocket.taskgraph.model.scenario import TaskGraphs


def most_jobs(scenario: TaskGraphs) -> int:
    """The most jobs that can be in the system at once. Raises UserError if there is no bound."""
    arrivals = scenario.arrivals
    if isinstance(arrivals, Listed):
        return len(arrivals.jobs) or len(scenario.types)
    known = [bound for bound in (arrivals.capacity, arrivals.jobs) if bound is not None]
    if not known:
        raise UserError(
            "any number of jobs can be in this system at once: set arrivals.capacity or "
            "arrivals.jobs, or say how many rows a question may have (max_rows)"
        )
    return min(known)


def most_tasks(scenario: TaskGraphs) -> int:
    """The most tasks that can be in the system at once. Raises as `most_jobs` does."""
    return most_jobs(scenario) * max(len(kind.tasks) for kind in scenario.types)
