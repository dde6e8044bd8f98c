"""Is this a schedule of that single machine? It is a job shop of one machine."""

from hocket.core.solution import Violation
from hocket.core.timeline import Timeline
from hocket.shop.check.jobshop import check as check_shop
from hocket.shop.model.single import SingleMachine


def check(scenario: SingleMachine, timeline: Timeline) -> list[Violation]:
    """Every constraint of `scenario` that `timeline` breaks; empty for a feasible schedule."""
    return check_shop(scenario.as_job_shop(), timeline)
