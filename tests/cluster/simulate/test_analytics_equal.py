"""The simulator gives the very timeline of the rules played tick by tick, on any scenario."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.cluster.model.analytics import Analytics
from hocket.cluster.policies.fair import UJF, Fair
from hocket.cluster.policies.fifo import FIFO
from hocket.cluster.roles.analytics import StageState, View
from hocket.cluster.simulate.analytics import simulate
from hocket.core.policy import Policy
from tests.cluster.simulate.analytics_cases import applications
from tests.cluster.simulate.analytics_oracle import Choose, Look, Parts, Seen, TickByTick


def fifo(look: Look) -> int | None:
    return min(look.stages, key=lambda s: (s.job, s.index)).number


def by_name(stage: Seen) -> tuple[int, str]:
    return stage.running, f"TaskSet_{stage.number}.0"


def fair(look: Look) -> int | None:
    return min(look.stages, key=by_name).number


def ujf(look: Look) -> int | None:
    running = dict(look.users)
    user = min({s.user for s in look.stages}, key=lambda user: (running[user], user))
    return min((s for s in look.stages if s.user == user), key=by_name).number


def odd(look: Look) -> int | None:
    """Any order, and sometimes cores stay idle until the next task ends."""
    chosen = look.stages[(look.now * 7 + look.free * 3) % len(look.stages)]
    busy = any(running for _, running in look.users)
    return None if busy and (look.now + len(look.stages)) % 3 == 2 else chosen.number


def odd_parts(number: int, index: int, tasks: int) -> int | None:
    return None if number % 3 == 0 else (number * 5 + index) % 7 + 1


def whole(number: int, index: int, tasks: int) -> int | None:
    return None


class Adapted:
    """A scheduler of the oracle as a policy; notes what it sees."""

    name = "test/adapted"

    def __init__(self, choose: Choose, parts: Parts) -> None:
        self.choose, self.parts = choose, parts
        self.seen: list[Look] = []

    def begin(self, scenario: Analytics, streams: object) -> Adapted:
        return self

    def submit(self, view: View, stage: StageState) -> int | None:
        return self.parts(stage.number, stage.index, stage.tasks)

    def order(self, view: View) -> Iterator[StageState]:
        users: dict[str, int] = {}
        for job in view.jobs:
            busy = sum(stage.running for stage in job.stages)
            users[job.user] = users.get(job.user, 0) + busy
        stages = tuple(
            Seen(s.job.number, s.job.user, s.index, s.number, s.waiting, s.running)
            for s in view.stages
        )
        left = tuple((job.number, job.left) for job in view.jobs)
        look = Look(view.now, view.free, stages, tuple(users.items()), left)
        self.seen.append(look)
        number = self.choose(look)
        return iter([s for s in view.stages if s.number == number])

    def why(self, view: View, stage: StageState) -> str:
        return ""

    def finish(self, view: View, stage: StageState, work: int) -> None:
        assert stage.waiting == stage.running == 0


@pytest.mark.parametrize("choose", [fifo, fair, ujf, odd])
@settings(max_examples=120)
@given(scenario=applications(), cutting=st.booleans())
def test_event_driven_equals_tick_driven(
    choose: Choose, scenario: Analytics, cutting: bool
) -> None:
    parts: Parts = odd_parts if cutting else whole
    seen: list[Look] = []

    def noting(look: Look) -> int | None:
        seen.append(look)
        return choose(look)

    expected = TickByTick(scenario, noting, parts).play()
    policy = Adapted(choose, parts)
    timeline = simulate(scenario, policy)  # type: ignore[arg-type]  # no struct
    assert policy.seen == seen
    assert timeline.columns() == expected.columns()


@pytest.mark.parametrize(("policy", "plain"), [(FIFO(), fifo), (Fair(), fair), (UJF(), ujf)])
@settings(max_examples=100)
@given(scenario=applications())
def test_policies_do_what_their_plain_forms_do(
    policy: Policy, plain: Choose, scenario: Analytics
) -> None:
    expected = TickByTick(scenario, plain, whole).play()
    timeline = simulate(scenario, policy)
    assert [span._replace(reason="") for span in timeline.spans()] == [*expected.spans()]
    assert [*timeline.points()] == [*expected.points()]
