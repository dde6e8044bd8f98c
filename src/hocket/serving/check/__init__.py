"""Is this what such a cluster can do? Judged from the scenario and the timeline alone.

The checker shares no code with the simulator. It knows which requests there are from their points
``arrive`` (and from the scenario, where that lists them), follows each one from span to span, and
then looks at every replica: what it must at least hold in memory, when it is up, how fast it can
be.
"""

from __future__ import annotations

from hocket.core.solution import Violation
from hocket.core.timeline import Timeline
from hocket.serving.check.arrivals import arrivals
from hocket.serving.check.follow import follow
from hocket.serving.check.replicas import Fleet, Held, replicas
from hocket.serving.check.story import stories
from hocket.serving.model.cluster import Cluster


def check(scenario: Cluster, timeline: Timeline) -> list[Violation]:
    """Every rule of `scenario` that `timeline` breaks; empty for a run that is possible.

    Bounds are lower bounds: memory that requests must occupy, time that iterations must take. So
    a timeline that passes may still be wrong, but what is reported is.
    """
    found: list[Violation] = []
    told, strangers = stories(timeline)
    found += [
        Violation("unknown", f"{group} never arrived, but is recorded") for group in strangers
    ]
    found += arrivals(scenario, told)
    fleet = Fleet(scenario, timeline)
    held: list[Held] = []
    for story in told:
        found += follow(fleet, story, held)
    found += replicas(fleet, timeline, held)
    return found
