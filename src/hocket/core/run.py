"""One scenario, one policy, one seed."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from hocket.core.errors import NotApplicable
from hocket.core.policy import Policy, spec
from hocket.core.registry import policies, problem_type, tag_of
from hocket.core.scenario import Scenario
from hocket.core.timeline import Timeline


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one run.

    `policy` is the policy as plain data, `metrics` the domain's figures by name, `seconds` the wall
    time of the simulation (the one field that differs between replays).
    """

    scenario: str
    policy: dict[str, Any]
    seed: int
    metrics: dict[str, float]
    timeline: Timeline
    seconds: float


def run(scenario: Scenario, policy: Policy, seed: int = 0) -> Run:
    """Simulate `policy` on `scenario`.

    Raises NotApplicable when the policy is not made for this problem, and what the simulator
    raises: IllegalDecision, Deadlock.
    """
    require_applicable(scenario, policy)
    problem = problem_type(scenario)
    begun = time.perf_counter()
    timeline = problem.get("simulate")(scenario, policy, seed=seed)
    seconds = time.perf_counter() - begun
    metrics = problem.get("metrics")(scenario, timeline)
    return Run(
        scenario=scenario.name,
        policy=spec(policy),
        seed=seed,
        metrics=metrics,
        timeline=timeline,
        seconds=seconds,
    )


def applicable(scenario: Scenario, policy: Policy) -> bool:
    """Whether `policy` can schedule this scenario."""
    return tag_of(scenario) in policy.problems and not policy.refuses(scenario)


def require_applicable(scenario: Scenario, policy: Policy) -> None:
    """Raise NotApplicable unless `policy` can schedule this scenario."""
    tag = tag_of(scenario)
    if tag in policy.problems:
        if why := policy.refuses(scenario):
            raise NotApplicable(f"{policy.name} cannot schedule {scenario.name or 'this'}: {why}")
        return
    fitting = [name for name, kind in policies().items() if tag in kind.problems]
    raise NotApplicable(
        f"{policy.name} is made for {', '.join(policy.problems)}; "
        f"{scenario.name or 'this scenario'} is a {tag}. Try one of: {', '.join(fitting[:8])}"
    )
