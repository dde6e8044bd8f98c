"""The domain and every policy in it keep what hocket promises of all."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

import pytest

from hocket.core.policy import Policy
from hocket.core.registry import domain, policies
from hocket.core.run import run
from hocket.core.streams import Streams
from hocket.serving.generate.pressure import Pressure
from hocket.serving.roles.batching import FirstComeFirstServed, Limits, ReplicaView, Request
from hocket.serving.roles.cluster import ClusterView, Send
from hocket.serving.roles.facts import Engine, Fleet
from hocket.serving.roles.policy import BatchingPolicy, DispatchPolicy
from hocket.testing import IsolationError, MutationError, ReplayError, check_domain, check_policy
from hocket.testing.domain import ROOMS
from hocket.testing.samples import samples

CROWDED = [Pressure(requests=8).make(1), Pressure(requests=8, swap=True).make(1)]


@pytest.mark.slow
def test_serving_and_all_its_policies_pass() -> None:
    report = check_domain("serving")
    print(report)
    text = str(report)
    assert not report.skipped
    assert "cluster: checker rejects" in text
    runs = 2 * len(policies("serving")) * len(samples(domain("serving"))["serving/cluster"])
    assert f"policies: {len(policies('serving'))} in {runs} runs" in text


def test_the_rooms_that_serving_has() -> None:
    (cluster,) = domain("serving").problems
    assert {room for room in ROOMS if not getattr(cluster, room)} == {"due", "plan"}


def test_the_samples_reach_every_situation() -> None:
    seen: Counter[str] = Counter()
    for scenario in samples(domain("serving"))["serving/cluster"]:
        timeline = run(scenario, policies("serving")["serving/llumnix"](), 0).timeline
        seen.update(point.kind for point in timeline.points())
        seen.update(span.kind for span in timeline.spans())
    assert seen.keys() >= {"preempt", "lost", "down", "transfer", "migrate", "aborted", "finish"}


class Slot(BatchingPolicy, frozen=True):
    """Admits what fits into memory with an answer as long as allowed."""

    name: ClassVar[str] = "serving/slot"

    def batcher(self, engine: Engine, streams: Streams) -> FirstComeFirstServed:
        return FirstComeFirstServed(Limits(allocate="longest"))


def test_a_policy_of_ones_own_passes() -> None:
    text = str(check_policy(Slot(), CROWDED))
    assert "runs: 4, on 2 scenarios, lawful, complete and feasible" in text


class Greedy(BatchingPolicy, frozen=True):
    """Takes a block in secret."""

    name: ClassVar[str] = "serving/greedy"

    class Batcher(FirstComeFirstServed):
        def admits(self, view: ReplicaView, request: Request) -> str:
            view.free -= 1  # type: ignore[misc]
            return ""

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        return self.Batcher(Limits())


class Shared(BatchingPolicy, frozen=True):
    """Each replica runs more at a time than all before it, those of other runs too."""

    name: ClassVar[str] = "serving/shared"
    made: ClassVar[list[str]] = []

    def batcher(self, engine: Engine, streams: Streams) -> FirstComeFirstServed:
        self.made.append(engine.name)
        return FirstComeFirstServed(Limits(seqs=len(self.made)))


class Rearranging(DispatchPolicy, frozen=True):
    """Sends to the first replica, and makes it so."""

    name: ClassVar[str] = "serving/rearranging"

    class Front:
        def dispatch(self, view: ClusterView, request: Request) -> Send:
            view._members = view._members[::-1]  # type: ignore[attr-defined]
            return Send(view.names[0])

    def dispatcher(self, fleet: Fleet, streams: Streams) -> Front:
        return self.Front()


@pytest.mark.parametrize(
    ("policy", "error", "told"),
    [
        (Greedy(), MutationError, r"serving/greedy changed Snapshot\.free at decision"),
        (Shared(), (ReplayError, IsolationError), "kept outside of the decider|share state"),
        (Rearranging(), MutationError, r"serving/rearranging changed FleetView\."),
    ],
    ids=str,
)
def test_who_decides_for_one_role_is_watched_too(policy: Policy, error: Any, told: str) -> None:
    with pytest.raises(error, match=told):
        check_policy(policy, CROWDED)
