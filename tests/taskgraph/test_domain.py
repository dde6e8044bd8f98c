"""The domain and every policy in it keep what hocket promises of all."""

from __future__ import annotations

from collections import Counter

import pytest

from hocket.core.load import load_policy
from hocket.core.registry import domain
from hocket.taskgraph.check import check
from hocket.taskgraph.simulate.world import simulate
from hocket.testing import check_domain
from hocket.testing.domain import ROOMS
from hocket.testing.mutations import check_the_checker
from hocket.testing.samples import samples


@pytest.mark.slow
def test_taskgraph_and_all_its_policies_pass() -> None:
    report = check_domain("taskgraph")
    print(report)
    assert "dag: checker rejects" in str(report)
    assert not [line for line in report.skipped if "altogether" in line and "plan" not in line]


def test_the_rooms_that_taskgraph_has() -> None:
    (problem,) = domain("taskgraph").problems
    assert {room for room in ROOMS if not getattr(problem, room)} == {"due", "evidence"}


def test_the_samples_reach_every_situation() -> None:
    seen: Counter[str] = Counter()
    for scenario in samples(domain("taskgraph"))["taskgraph/dag"]:
        timeline = simulate(scenario, load_policy("taskgraph/etf"))
        assert check(scenario, timeline) == []
        seen.update(point.kind for point in timeline.points())
        seen.update(span.kind for span in timeline.spans())
        seen.update(gauge.name for gauge in timeline.gauges())
    assert seen.keys() == {"run", "cut", "arrive", "blocked", "done", "jobs", "frequency"}


def test_the_checker_rejects_what_is_made_wrong_on_purpose() -> None:
    (problem,) = domain("taskgraph").problems
    for scenario in samples(domain("taskgraph"))["taskgraph/dag"]:
        if scenario.horizon is not None:  # work may rightly be left undone
            continue
        timeline = simulate(scenario, load_policy("taskgraph/etf"), seed=1)
        assert len(check_the_checker(problem, scenario, timeline)) >= 4
