"""Check that a policy keeps what hocket promises of every policy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from hocket.core.domain import ProblemType, resolve
from hocket.core.errors import Deadlock, HocketError, IllegalDecision, UserError
from hocket.core.load import load_policy
from hocket.core.policy import Policy
from hocket.core.registry import domain, problem_type, tag_of
from hocket.core.scenario import Scenario
from hocket.core.timeline import Timeline
from hocket.testing.configuration import check_configuration
from hocket.testing.errors import (
    ConservationError,
    DecisionError,
    FeasibilityError,
    IsolationError,
    MutationError,
)
from hocket.testing.replay import Case, again, check_again, check_elsewhere
from hocket.testing.report import Report
from hocket.testing.samples import samples
from hocket.testing.watch import Clock, Watched

INTERRUPTED = (2, 3, 5)
"""Decisions of a run before which another run is carried out."""


def check_policy(
    policy: Policy | str,
    scenarios: Sequence[Scenario] | None = None,
    seeds: Sequence[int] = (0, 1),
) -> Report:
    """Check everything that hocket promises of a policy; returns what was checked.

    On small scenarios (default: of all generators of its domain that make problems which it
    handles) it must decide lawfully and to the end, satisfy the independent checker, lose no work,
    change neither view nor scenario, keep two runs apart, and give the same timeline again: here,
    in worker processes, and in a fresh process whose sets have another order. As data, as text and
    pickled it must stay what it is.

    Scenarios that it refuses with a UserError are listed as skipped. A script calls this below
    ``if __name__ == "__main__":``, since it starts processes. Raises a ConformanceError.
    """
    subject = load_policy(policy) if isinstance(policy, str) else policy
    checks = check_configuration(subject)
    if scenarios is None:
        scenarios = handled(subject, samples(domain(subject.name.partition("/")[0])))
    problems = {tag_of(scenario): problem_type(scenario) for scenario in scenarios}
    observed = observe(subject, scenarios, problems, seeds)
    if not observed.cases:
        why = "; ".join(observed.skipped) or f"no generator makes a {' or '.join(subject.problems)}"
        raise DecisionError(f"{subject} was given nothing that it handles ({why}): pass scenarios")
    checks += [*observed.checks(), *check_elsewhere(observed.cases)]
    return Report(subject=str(subject), checks=tuple(checks), skipped=tuple(observed.skipped))


def handled(policy: Policy, known: Mapping[str, Sequence[Scenario]]) -> list[Scenario]:
    """The scenarios, given by tag, of the problems that a policy is made for."""
    return [scenario for tag in policy.problems for scenario in known.get(tag, ())]


class Observed(msgspec.Struct):
    """What came of watching a policy: its runs, how many decisions, and what it refused."""

    cases: list[Case] = []
    decisions: int = 0
    events: int = 0
    skipped: list[str] = []

    def checks(self) -> list[str]:
        """The promises that were kept."""
        scenarios = len({id(case.scenario) for case in self.cases})
        return [
            f"runs: {len(self.cases)}, on {scenarios} scenarios, lawful, complete and feasible",
            f"views and scenarios: unchanged by {self.decisions} decisions, arrays read-only",
            f"clock: never backwards in {self.events} events",
            "replay: the same timelines when repeated in the same process, as one worker does",
            "isolation: runs inside another change neither",
        ]


def observe(
    policy: Policy,
    scenarios: Sequence[Scenario],
    problems: Mapping[str, ProblemType],
    seeds: Sequence[int],
) -> Observed:
    """Watch a policy on all scenarios, with all seeds. `problems` are their types by tag."""
    seen = Observed()
    for scenario in scenarios:
        problem = problems[tag_of(scenario)]
        try:
            for seed in seeds:
                seen.cases.append(_watch(policy, scenario, problem, seed, seen))
        except UserError as error:
            why = str(error).partition("\n")[0]
            seen.skipped.append(f"{policy} on {scenario.name}: {why}")
            continue
        latest = seen.cases[-len(seeds) :]
        check_again(latest)
        _check_isolation(latest)
    return seen


def _watch(
    policy: Policy, scenario: Scenario, problem: ProblemType, seed: int, seen: Observed
) -> Case:
    before = _bytes(scenario)
    watched, clock = Watched(policy), Clock()
    timeline = _simulated(watched, scenario, problem.simulate, seed, clock)
    if _bytes(scenario) != before:
        raise MutationError(f"{policy} changed its scenario, {scenario.name}")
    faults = problem.get("check")(scenario, timeline)
    if faults:
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise FeasibilityError(f"{policy} on {scenario.name}: {faults[0]}{more}")
    _check_conservation(policy, scenario, timeline)
    _check_metrics(problem, scenario, timeline)
    seen.decisions += watched.decisions
    seen.events += clock.events
    return Case(scenario, policy, seed, problem.simulate, timeline.digest())


def _simulated(
    watched: Watched, scenario: Scenario, simulate: str, seed: int, clock: Clock | None = None
) -> Timeline:
    """A run whose every failure says what the policy did wrong. Lets UserError through."""
    where = f"on {scenario.name} with seed {seed}"
    try:
        timeline: Timeline = resolve(simulate)(scenario, watched, seed=seed, kernel=clock)
    except IllegalDecision as error:
        raise DecisionError(f"illegal decision {where}: {error}") from error
    except Deadlock as error:
        raise DecisionError(f"{watched} leaves work undone {where}: {error}") from error
    except (HocketError, AssertionError):
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise DecisionError(f"{watched} fails {where} with {told}") from error
    return timeline


def _check_conservation(policy: Policy, scenario: Scenario, timeline: Timeline) -> None:
    """What arrived has run or been rejected, nothing else has, and no piece runs twice at a time.

    A point ``reject`` says that the world itself refused a piece of work. Where the scenario has a
    `horizon`, what arrived may never have run; nor need that which waits when the run ends.
    """
    arrived = Counter(point.group for point in timeline.points("arrive"))
    twice = [name for name, count in arrived.items() if count > 1]
    if twice:
        raise ConservationError(f"{scenario.name}: {twice[0]} arrives more than once")
    ran = {span.group for span in timeline.spans("run")}
    if not ran:
        raise ConservationError(f"{policy} on {scenario.name}: nothing ever runs")
    rejected = {point.group for point in timeline.points("reject")}
    idle = {span.group for span in timeline.spans("wait") if span.end == timeline.end} - ran
    if getattr(scenario, "horizon", None) is not None:
        idle = set(arrived) - ran
    if arrived and ran | rejected | idle != set(arrived):
        odd = sorted((ran | rejected | idle) ^ set(arrived))[0]
        what = "arrived but never runs" if odd in arrived else "runs but never arrived"
        raise ConservationError(f"{policy} on {scenario.name}: {odd} {what}")
    until: dict[tuple[str, str], int] = {}
    for span in sorted(timeline.spans("run"), key=lambda s: (s.start, s.end)):
        piece = (span.group, span.name)
        if span.start < until.get(piece, span.start):
            raise ConservationError(f"{policy}: {span.name} of {span.group} runs twice at a time")
        until[piece] = span.end


def _check_metrics(problem: ProblemType, scenario: Scenario, timeline: Timeline) -> None:
    metrics: dict[str, float] = problem.get("metrics")(scenario, timeline)
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise ConservationError(f"metric {name} of {scenario.name} is {value}")


def _check_isolation(cases: Sequence[Case]) -> None:
    """Carry out whole runs in the middle of another: each must come out as it did alone."""
    outer, inner = cases[0], cases[-1]
    told = (
        f"{outer.policy} on {outer.scenario.name}: two runs at a time share state; keep what "
        f"changes in the decider that begin() returns"
    )

    def interrupt(decision: int) -> None:
        if decision in INTERRUPTED and again(inner) != inner.digest:
            raise IsolationError(told)

    watched = Watched(outer.policy, interrupt)
    try:
        timeline = _simulated(watched, outer.scenario, outer.simulate, outer.seed)
    except DecisionError as error:  # alone it decided lawfully
        raise IsolationError(f"{told}. {error}") from error
    if timeline.digest() != outer.digest:
        raise IsolationError(told)


def _bytes(scenario: Scenario) -> bytes:
    return msgspec.json.encode(scenario, order="deterministic")
