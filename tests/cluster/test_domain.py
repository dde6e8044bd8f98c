"""The domain and every policy in it keep what hocket promises of all."""

from __future__ import annotations

import pytest

from hocket.cluster.check.pods import check
from hocket.cluster.generate.replicasets import ReplicaSets
from hocket.cluster.model.analytics import Analytics, Job, Stage
from hocket.cluster.simulate.pods import simulate
from hocket.core.load import load_policy
from hocket.core.registry import domain, policies
from hocket.testing import check_domain, check_policy
from hocket.testing.domain import ROOMS
from hocket.testing.mutations import check_the_checker
from hocket.testing.samples import samples

SLOW = "cluster/priority-matters"
SHARING = [
    name for name, kind in policies("cluster").items() if kind.problems == ("cluster/analytics",)
]
TALK = Analytics(
    name="talk",
    cores=2,
    jobs=tuple(
        Job(
            name=f"{user}{k}",
            user=user,
            stages=(Stage(tasks=(200 * (u + 1),) * 3), Stage(tasks=(100,), after=(0,))),
            arrival=100 * k,
        )
        for u, user in enumerate("abc")
        for k in range(2)
    ),
)
"""Three users with two jobs each."""


@pytest.mark.slow
def test_cluster_passes() -> None:
    report = check_domain("cluster", [load_policy("cluster/kube-scheduler")])
    print(report)
    assert "pods: checker rejects" in str(report)
    assert "analytics: checker rejects" in str(report)
    assert not report.skipped


@pytest.mark.slow
@pytest.mark.parametrize("name", SHARING)
def test_policies_that_share_an_application_pass(name: str) -> None:
    print(check_policy(name, [TALK], seeds=(0,)))


@pytest.mark.slow
def test_the_policy_that_searches_passes_too() -> None:
    pytest.importorskip("ortools")
    policy = load_policy(SLOW, search={"time_limit": 0.1})
    clusters = [ReplicaSets(nodes=4, at_once=at_once).make(2) for at_once in (False, True)]
    print(check_policy(policy, clusters))


def test_the_rooms_that_the_problems_have() -> None:
    pods, analytics = domain("cluster").problems
    assert {room for room in ROOMS if not getattr(pods, room)} == {"due", "plan", "evidence"}
    assert {room for room in ROOMS if not getattr(analytics, room)} >= {"due", "plan", "evidence"}


def test_the_checker_of_pods_rejects_what_is_made_wrong_on_purpose() -> None:
    problem = domain("cluster").problems[0]
    assert problem.name == "pods"
    policy = load_policy("cluster/kube-scheduler")
    for scenario in samples(domain("cluster"))["cluster/pods"]:
        timeline = simulate(scenario, policy)
        assert check(scenario, timeline) == []
        if scenario.horizon is None and not scenario.static:  # else all times are the same
            assert len(check_the_checker(problem, scenario, timeline)) >= 4
