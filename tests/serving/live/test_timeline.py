"""A simulated run, recorded as a real engine would be and read again, is the simulated run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.registry import problem_type
from hocket.core.timeline import Timeline
from hocket.serving.check import check
from hocket.serving.cost import Linear
from hocket.serving.live.record import Began, Finished, Line, Step
from hocket.serving.live.recording import recording
from hocket.serving.live.scenario import scenario
from hocket.serving.live.timeline import timeline
from hocket.serving.metrics import metrics
from hocket.serving.model.cluster import Cluster, Pool, Slo
from hocket.serving.workload import Conversations, LogNormal, Random, Rate, Separate, Trace
from hocket.testing.mutations import check_the_checker
from tests.serving.live.records import record

COST = Linear(base=0.01, per_token=1e-5, per_decode=1e-4, per_context=1e-7)
LENGTHS = Separate(
    prompt=LogNormal(median=300, p90=1200, cap=3000), output=LogNormal(median=80, p90=250, cap=600)
)
CHAT = Random(count=60, lengths=LENGTHS, arrivals=Rate(rate=40.0))
TALK = Conversations(
    count=15,
    arrivals=Rate(rate=20.0),
    prompt=LogNormal(median=80, p90=200),
    output=LogNormal(median=60, p90=150),
    system=200,
)
POLICIES = (
    "serving/vllm-v1",
    "serving/sarathi",
    "serving/past-future",
    "serving/vllm-v0",
    "serving/orca",
)


def world(workload: Any, **pool: Any) -> Cluster:
    return Cluster(
        workload=workload,
        pools=(Pool(**{"kv_blocks": 300, "cost": COST} | pool),),
        slo=Slo(ttft=500_000, tpot=30_000),
        gauge_every=100_000,
    )


def again(lines: list[Line], simulated: Cluster) -> tuple[Cluster, Timeline]:
    """The scenario and the timeline of a record, read as the simulated one was."""
    found = recording(lines)
    made = scenario(found)
    made = msgspec.structs.replace(made, gauge_every=simulated.gauge_every, slo=simulated.slo)
    return made, timeline(found, made)


def rows(told: Timeline) -> dict[str, list[Any]]:
    """All that happened, without what no engine knows.

    That is why a front end sent requests there, and how long answers would have been whose clients
    went away.
    """
    gone = {point.group for point in told.points("cancel")}
    points = []
    for point in told.points():
        if point.kind == "dispatch":
            points.append(point._replace(reason=""))
        elif point.kind == "arrive" and point.group in gone:
            words = point.name.split(" ")
            points.append(point._replace(name=" ".join((words[0], *words[2:]))))
        else:
            points.append(point)
    return {
        "spans": sorted(told.spans()),
        "points": sorted(points),
        "gauges": sorted(gauge for gauge in told.gauges() if gauge.name != "demand"),
        "tallies": sorted(told.tallies()),
    }


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("cache", [False, True])
def test_nothing_is_lost_on_the_way(policy: str, cache: bool) -> None:
    simulated = world(TALK if cache else CHAT, prefix_cache=cache)
    lines, before = record(simulated, policy, seed=1)
    made, after = again(lines, simulated)
    assert rows(after) == rows(before)
    assert metrics(made, after) == metrics(simulated, before)
    assert check(made, after) == []


def test_the_runs_are_as_hard_as_they_are_meant_to_be() -> None:
    lines, before = record(world(CHAT), "serving/vllm-v1", seed=1)
    assert len(list(before.points("preempt"))) > 5
    waited = [
        line for line in lines if isinstance(line, Step) and "no memory" in {*line.reasons.values()}
    ]
    assert waited
    lines, _ = record(world(TALK, prefix_cache=True), "serving/vllm-v1", seed=1)
    assert any(line.cached for line in lines if isinstance(line, Step))


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """A few requests with common beginnings, some of whose clients go away."""
    count = draw(st.integers(1, 8))
    prompt = [draw(st.integers(1, 24)) for _ in range(count)]
    starts = [(1, 2, 3, 4, 5, 6), (1, 2, 7, 8, 9, 10), ()]
    return Trace(
        arrival=tuple(sorted(draw(st.integers(0, 60)) * 1000 for _ in range(count))),
        prompt=tuple(prompt),
        output=tuple(draw(st.integers(1, 12)) for _ in range(count)),
        priority=tuple(draw(st.integers(-1, 1)) for _ in range(count)),
        prefix=tuple(draw(st.sampled_from(starts))[: tokens // 4] for tokens in prompt),
        cancel=tuple(draw(st.sampled_from([-1, -1, 0, 5000, 17_000])) for _ in range(count)),
        prefix_block=4,
    )


@given(
    trace=traces(),
    blocks=st.integers(9, 24),
    cache=st.booleans(),
    policy=st.sampled_from((*POLICIES, "serving/priority")),
)
@settings(max_examples=60, deadline=None)
def test_small_runs_of_every_kind_survive(
    trace: Trace, blocks: int, cache: bool, policy: str
) -> None:
    simulated = world(trace, kv_blocks=blocks, block_size=4, prefix_cache=cache, max_context=36)
    lines, before = record(simulated, policy)
    made, after = again(lines, simulated)
    assert rows(after) == rows(before)
    assert metrics(made, after) == metrics(simulated, before)
    assert check(made, after) == []


def test_the_checker_finds_what_was_changed_in_the_timeline() -> None:
    simulated = world(CHAT)
    made, after = again(record(simulated, "serving/vllm-v1")[0], simulated)
    assert len(check_the_checker(problem_type(made), made, after)) == 4  # there is but one lane


def _dropped(lines: list[Line]) -> list[Line]:
    """An iteration is missing."""
    n = next(i for i, line in enumerate(lines) if isinstance(line, Step) and line.n == 40)
    return lines[:n] + lines[n + 1 :]


def _smaller(lines: list[Line]) -> list[Line]:
    """The engine had a third of the memory."""
    return [
        msgspec.structs.replace(line, blocks=100) if isinstance(line, Began) else line
        for line in lines
    ]


def _unsaid(lines: list[Line]) -> list[Line]:
    """Who gave way is not told."""
    return [
        msgspec.structs.replace(line, preempted=()) if isinstance(line, Step) else line
        for line in lines
    ]


def _cached(lines: list[Line]) -> list[Line]:
    """An engine without a prefix cache was spared half of a prompt."""
    found = list(lines)
    n, step = next((i, one) for i, one in enumerate(lines) if isinstance(one, Step) and one.n == 10)
    name = max(step.tokens, key=step.tokens.__getitem__)
    half = step.tokens[name] // 2
    found[n] = msgspec.structs.replace(
        step, tokens=step.tokens | {name: half}, cached=step.cached | {name: half}
    )
    return found


def _longer(lines: list[Line]) -> list[Line]:
    """An answer is said to be longer than its iterations made it."""
    n, last = next((i, one) for i, one in enumerate(lines) if isinstance(one, Finished))
    return [
        *lines[:n],
        msgspec.structs.replace(last, generated=last.generated + 1),
        *lines[n + 1 :],
    ]


@pytest.mark.parametrize("change", [_dropped, _smaller, _unsaid, _cached, _longer])
def test_the_checker_finds_what_was_changed_in_the_record(
    change: Callable[[list[Line]], list[Line]],
) -> None:
    simulated = world(CHAT)
    lines, _ = record(simulated, "serving/vllm-v1", seed=1)
    assert check(*again(lines, simulated)) == []
    assert check(*again(change(lines), simulated))
