"""Is this what such a system can do? Judged from the scenario and the timeline alone.

The checker shares no code with the simulator. Which jobs a random stream brings, and how long noisy
tasks really take, depends on the seed, which no timeline holds: there it is only checked that they
are possible.
"""

from __future__ import annotations

from hocket.core.solution import Violation
from hocket.core.timeline import Timeline
from hocket.taskgraph.check.arrivals import arrivals
from hocket.taskgraph.check.frequency import frequencies
from hocket.taskgraph.check.jobs import jobs
from hocket.taskgraph.check.read import read
from hocket.taskgraph.check.tasks import tasks
from hocket.taskgraph.model.scenario import TaskGraphs


def check(scenario: TaskGraphs, timeline: Timeline) -> list[Violation]:
    """Every rule of `scenario` that `timeline` breaks; empty for a run that is possible.

    - tasks: ``unknown``, ``span``, ``twice``, ``missing``, ``able``, ``duration``, ``slot``,
      ``precedence``, ``communication``
    - jobs: ``arrival``, ``full``, ``blocked``, ``done``, ``horizon``
    - ``gauge``: the jobs in the system, and the frequencies that a governor chooses
    """
    record = read(scenario, timeline)
    found = list(record.strange)
    found += arrivals(scenario, timeline)
    found += jobs(scenario, timeline, record)
    speeds, wrong = frequencies(scenario, timeline, record)
    found += wrong
    found += tasks(scenario, record, speeds)
    return found
