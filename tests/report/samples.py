"""Timelines that the tests of the report package share."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from hocket.core.solution import Solution, Step, Violation
from hocket.core.timeline import Timeline

HOSTILE = '</script><img src=x onerror="window.broken=1"><!-- {{script}} \'&amp; \u2028'

patient = settings(  # a busy machine is no failure
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

texts = st.sampled_from(["", "a", "b 2", "b 10", "é</script>", "run", "down", "setup"])
words = st.tuples(texts, texts, texts, texts, texts)
ticks = st.integers(0, 60)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Any small timeline: lanes that overlap, empty texts, spans without length."""
    units = st.sampled_from(["tick", "ns", "ms", "s", "min", "day"])
    timeline = Timeline(draw(units), tuple(draw(st.lists(texts, unique=True, max_size=3))))
    for _ in range(draw(st.integers(0, 12))):
        start, length = draw(ticks), draw(ticks)
        kind, lane, group, name, reason = draw(words)
        timeline.span(kind, lane, group, name, start, start + length, reason)
    for _ in range(draw(st.integers(0, 6))):
        kind, lane, group, name, reason = draw(words)
        timeline.point(kind, lane, group, name, draw(ticks), reason)
    for _ in range(draw(st.integers(0, 6))):
        timeline.gauge(draw(texts), draw(texts), draw(ticks), draw(st.floats(-9, 9)))
    for _ in range(draw(st.integers(0, 4))):
        timeline.tally(draw(texts), draw(texts), draw(st.integers(0, 10**9)), draw(ticks))
    return timeline


def small() -> Timeline:
    """Two machines, three jobs, one of each kind of record."""
    timeline = Timeline("min", ("Lathe", "Mill"))
    timeline.span("run", "Lathe", "job 1", "1.1", 0, 50, "SPT: 50 is shortest")
    timeline.span("setup", "Lathe", "job 2", "setup", 50, 60, "tool change")
    timeline.span("run", "Lathe", "job 2", "2.1", 60, 100, "nothing else waits")
    timeline.span("run", "Mill", "job 1", "1.2", 50, 80, "first come")
    timeline.span("down", "Mill", "", "breakdown", 85, 95)
    timeline.span("run", "Mill", "job 2", "2.2", 100, 130)
    timeline.point("release", "", "job 2", "job 2", 40, "arrives late")
    timeline.point("complete", "Mill", "job 1", "job 1", 80)
    timeline.point("inspect", "Mill", "job 1", "job 1", 80)
    timeline.gauge("queue", "Lathe", 0, 1)
    timeline.gauge("queue", "Lathe", 50, 0)
    return timeline


def large(bars: int = 10_000, lanes: int = 20) -> Timeline:
    """A busy shop whose names and reasons differ from bar to bar."""
    rng = np.random.default_rng(7)
    timeline = Timeline("s", tuple(f"machine {i + 1}" for i in range(lanes)))
    free = [0] * lanes
    for i in range(bars):
        lane = i % lanes
        start = free[lane] + int(rng.integers(0, 4))
        free[lane] = start + int(rng.integers(5, 200))
        job, slack = i // lanes, int(rng.integers(0, 5000))
        reason = f"ATC: index {slack / 1000:.3f} was the highest of {slack % 17 + 1} that waited"
        kind = "setup" if i % 9 == 0 else "run"
        timeline.span(
            kind, timeline.lanes[lane], f"job {job}", f"{job}.{lane}", start, free[lane], reason
        )
    return timeline


def solved() -> Solution:
    """An optimal solution with a log; its timeline is `small`."""
    log = (Step(0.1, 160, 90), Step(0.5, 140, 110), Step(1.5, 130, 110), Step(2.0, 130, 130))
    return Solution(
        scenario="tiny",
        objective="makespan",
        status="optimal",
        value=130,
        bound=130,
        timeline=small(),
        solver="cp-sat",
        seconds=2.0,
        log=log,
    )


def broken() -> tuple[Violation, ...]:
    return (Violation("overlap", f"Mill does two things at 50 {HOSTILE}"),)


def rows() -> list[dict[str, object]]:
    """Two metrics of three policies on one scenario."""
    means = {"makespan": (130.0, 142.5, 155.25), "throughput": (0.51, 0.49, 0.42)}
    return [
        {"scenario": "tiny", "policy": policy, "metric": metric, "mean": mean}
        | {"low": mean * 0.9, "high": mean * 1.1, "n": 10}
        for metric, values in means.items()
        for policy, mean in zip(("shop/spt", "shop/mwr", "shop/fifo"), values, strict=True)
    ]


def differences() -> list[dict[str, object]]:
    """One difference that is clear and one that is not."""
    same = {"scenario": "tiny", "metric": "makespan", "versus": "shop/spt", "n": 10}
    return [
        same | {"policy": "shop/mwr", "mean": 12.5, "low": -1.5, "high": 26.5},
        same | {"policy": "shop/fifo", "mean": 25.25, "low": 11.25, "high": 39.25},
    ]
