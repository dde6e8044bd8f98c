"""The checker passes what the simulator makes, and catches what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.cluster.check.pods import check
from hocket.cluster.generate import EXAMPLES, named
from hocket.cluster.generate.dynamic import Churn
from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.cluster.model.rules import Budget, Spread, Taint, Term
from hocket.cluster.simulate.pods import simulate
from hocket.core.load import load_policy
from hocket.core.timeline import Timeline
from tests.cluster.check.chaos import Chaos
from tests.cluster.check.clusters import clusters
from tests.cluster.check.history import Event, record

replace = msgspec.structs.replace


def rules(cluster: Pods, timeline: Timeline) -> set[str]:
    return {violation.rule for violation in check(cluster, timeline)}


@given(cluster=clusters(), seed=st.integers(0, 99))
@settings(max_examples=300, deadline=None)
def test_whatever_the_simulator_makes_is_feasible(cluster: Pods, seed: int) -> None:
    assert check(cluster, simulate(cluster, Chaos(), seed=seed)) == []


def test_chaos_does_everything_that_can_be_checked() -> None:
    seen: Counter[str] = Counter()
    for seed in range(10):
        cluster = replace(
            Churn(nodes=2, duration=300_000).make(seed),
            budgets=(Budget(name="all", max_unavailable="50%"),),
            grace=seed % 3 * 1000,
        )
        timeline = simulate(cluster, Chaos(plans=20), seed=seed)
        assert check(cluster, timeline) == []
        seen.update(point.kind for point in timeline.points())
    assert seen.keys() == {"arrive", "bind", "evict", "preempt", "done", "plan", "skip"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_under_the_default_scheduler(name: str) -> None:
    cluster: Any = named(name)
    assert check(cluster, simulate(cluster, load_policy("cluster/kube-scheduler"))) == []


# A cluster of two nodes, on which almost everything may go wrong

LABELS = {"app": "web"}
WEB = (Expression(key="app", values=("web",)),)
CLUSTER = Pods(
    time_unit="s",
    nodes=(
        Node(name="a", allocatable={"milli_cpu": 4}, labels={"zone": "east"}, gpus=1),
        Node(name="b", allocatable={"milli_cpu": 4, "pods": 2}, labels={"zone": "west"}),
    ),
    pods=(
        Pod(name="old", node="a", requests={"milli_cpu": 2}, labels=LABELS),
        Pod(name="new", requests={"milli_cpu": 2}, labels=LABELS, arrival=1),
        Pod(name="top", requests={"milli_cpu": 2}, arrival=1, priority=5),
        Pod(name="brief", requests={"milli_cpu": 1}, arrival=2, lifetime=3),
    ),
    grace=2,
    horizon=20,
)
COME = (Event(1, "arrive", "new"), Event(1, "arrive", "top"), Event(2, "arrive", "brief"))
BIND_TOP, BIND_NEW = Event(1, "bind", "top", "a"), Event(1, "bind", "new", "b")
BIND_BRIEF, DONE = Event(2, "bind", "brief", "b"), Event(5, "done", "brief", "b")
HISTORY = (*COME[:2], BIND_TOP, BIND_NEW, COME[2], BIND_BRIEF, DONE)
PLAN = Event(6, "plan", "", "better")
EVICT, AGAIN = Event(6, "evict", "new", "b"), Event(8, "bind", "new", "b")
PREEMPT = Event(7, "preempt", "old", "a")


def changed(**pods: dict[str, Any]) -> Pods:
    """The cluster with fields of some pods changed."""
    return replace(
        CLUSTER, pods=tuple(replace(pod, **pods.get(pod.name, {})) for pod in CLUSTER.pods)
    )


def found(
    *events: Event, cluster: Pods = CLUSTER, end: int = 20, gpus: dict[str, str] | None = None
) -> set[str]:
    return rules(cluster, record(cluster, events, end, gpus))


def test_a_history_in_which_all_is_well() -> None:
    assert found(*HISTORY) == set()
    assert found(*HISTORY, PLAN, EVICT, AGAIN) == set()
    assert found(*HISTORY, PLAN, EVICT) == set()


def test_binds_that_break_a_rule() -> None:
    to_a = Event(2, "bind", "brief", "a")
    done = Event(5, "done", "brief", "a")
    assert found(*HISTORY[:5], to_a, done) == {"capacity"}
    assert found(*COME[:2], BIND_NEW, *HISTORY[4:6], Event(3, "bind", "top", "b"), DONE) == {
        "capacity",
    }
    assert found(*HISTORY, Event(6, "bind", "top", "b")) >= {"twice"}
    assert "twice" in found(*HISTORY[:4], Event(1, "bind", "new", "a"), *HISTORY[4:])
    assert "unknown" in found(*HISTORY, Event(6, "bind", "new", "z"))
    assert found(*HISTORY, cluster=changed(top={"gated": True})) == {"gated"}
    a, b = CLUSTER.nodes
    for rule, node in {
        "cordoned": replace(b, cordoned=True),
        "taint": replace(b, taints=(Taint(key="k", effect="NoExecute"),)),
    }.items():
        assert found(*HISTORY, cluster=replace(CLUSTER, nodes=(a, node))) == {rule}
    assert found(*HISTORY, cluster=replace(CLUSTER, nodes=(a, replace(b, down=True)))) == {
        "cordoned"
    }
    for rule, fields in {
        "selector": {"selector": (Expression(key="zone", values=("east",)),)},
        "near": {"near": (Term(selector=(Expression(key="app", values=("no",)),)),)},
        "spread": {"spread": (Spread(topology="rack", selector=WEB),)},
    }.items():
        assert found(*HISTORY, cluster=changed(new=fields)) == {rule}
    apart = (Term(selector=WEB, topology="zone"),)
    assert found(*HISTORY, cluster=changed(new={"apart": apart})) == set()
    elsewhere = changed(old={"node": "b"}, new={"apart": apart})
    assert found(*HISTORY[:5], cluster=elsewhere) >= {"apart"}
    ports = {"ports": ("TCP/80",)}
    assert found(*HISTORY, cluster=changed(new=ports, brief=ports)) == {"port"}


def test_spread_counts_those_that_stay() -> None:
    spread = {"spread": (Spread(topology="zone", selector=WEB),)}
    to_a = (*COME[:2], Event(1, "bind", "new", "a"), *COME[2:], BIND_BRIEF, DONE)
    assert found(*to_a, cluster=changed(new=spread)) == {"spread"}
    leaving = (PREEMPT._replace(time=1), Event(2, "bind", "new", "a"))
    assert found(*COME[:2], leaving[0], COME[2], leaving[1], cluster=changed(new=spread)) == set()


def test_gpus() -> None:
    half = {"gpus": 1, "gpu_milli": 500}
    cluster = changed(old=half, top=half)
    both = {"default/old": "0", "default/top": "0"}
    assert found(*HISTORY, cluster=cluster, gpus=both) == set()
    assert found(*HISTORY, cluster=cluster, gpus=both | {"default/top": "1"}) == {"gpu"}
    assert found(*HISTORY, cluster=cluster, gpus={"default/old": "0"}) == {"gpu"}
    assert found(*HISTORY, cluster=cluster, gpus=both | {"default/top": "x"}) == {"gpu"}
    whole = changed(old=half, top={"gpus": 1})
    assert found(*HISTORY, cluster=whole, gpus=both) == {"gpu"}


def test_the_queue_has_an_order() -> None:
    assert found(*COME[:2], BIND_NEW, BIND_TOP, *HISTORY[4:]) == {"order"}
    near = {"near": (Term(selector=WEB, topology="zone"),)}
    retried = changed(top=near)
    assert found(*COME[:2], BIND_NEW, BIND_TOP, *HISTORY[4:], cluster=retried) == set()
    same = changed(top={"priority": 0})
    assert found(*HISTORY, cluster=same) == {"order"}  # new came first
    assert found(*COME[:2], BIND_NEW, BIND_TOP, *HISTORY[4:], cluster=same) == set()


def test_arrivals_lifetimes_and_the_horizon() -> None:
    assert found(*HISTORY[:4], *HISTORY[5:]) >= {"twice"}
    assert found(*HISTORY[:3]) == {"arrival"}
    late = Event(3, "arrive", "brief")
    assert "arrival" in found(*HISTORY[:4], late, BIND_BRIEF._replace(time=3), DONE)
    assert found(*HISTORY[:-1], DONE._replace(time=4)) == {"lifetime"}
    assert found(*HISTORY[:-1], DONE._replace(time=6)) == {"lifetime"}
    assert found(*HISTORY[:-1]) == {"lifetime"}
    assert found(*HISTORY, Event(7, "done", "top", "a")) == {"lifetime"}
    assert found(*HISTORY, BIND_BRIEF._replace(time=7)) >= {"twice"}
    assert found(*HISTORY, end=21) == {"horizon"}
    assert found(*HISTORY, PLAN._replace(time=20)) == {"horizon"}
    assert found(*HISTORY[:4], end=2, cluster=replace(CLUSTER, horizon=2)) == set()
    assert found(*HISTORY, end=6, cluster=replace(CLUSTER, horizon=None)) == set()
    assert found(*HISTORY[:-1], end=4, cluster=replace(CLUSTER, horizon=None)) == {"lifetime"}
    unsettled = (*HISTORY, PLAN, EVICT)
    assert found(*unsettled, end=7, cluster=replace(CLUSTER, horizon=None)) == {"grace"}


def test_evictions() -> None:
    assert found(*HISTORY, EVICT, AGAIN) == {"plan"}
    assert found(*HISTORY, PLAN._replace(node="already optimal"), EVICT) == {"plan"}
    assert found(*HISTORY, PLAN._replace(node="perfect")) == {"plan"}
    assert found(*HISTORY, PLAN, EVICT, cluster=changed(new={"protected": True})) == {"protected"}
    assert found(*HISTORY, PLAN, EVICT._replace(node="a")) == {"leave"}
    assert found(*HISTORY, PLAN, EVICT, EVICT) == {"leave"}
    budget = Budget(name="web", selector=WEB, min_available=2)
    cluster = replace(CLUSTER, budgets=(budget,))
    assert found(*HISTORY, PLAN, EVICT, cluster=cluster) == {"budget"}
    one = replace(CLUSTER, budgets=(replace(budget, min_available="50%"),))
    assert found(*HISTORY, PLAN, EVICT, cluster=one) == set()
    other = EVICT._replace(pod="old", node="a")
    assert found(*HISTORY, PLAN, EVICT, other, cluster=one) == {"budget"}
    assert found(*HISTORY, PLAN, EVICT, other) == set()
    assert found(*HISTORY, PLAN, EVICT, other._replace(time=7)) >= {"wave"}
    assert found(*HISTORY, PLAN, EVICT, AGAIN._replace(time=7)) >= {"twice"}


def test_nothing_is_tried_while_a_plan_is_carried_out() -> None:
    late = changed(brief={"arrival": 7})
    events = (*HISTORY[:4], PLAN, EVICT, COME[2]._replace(time=7))
    done = DONE._replace(time=10)
    assert found(*events, BIND_BRIEF._replace(time=7), done, cluster=late) == {"wave"}
    then = (AGAIN, BIND_BRIEF._replace(time=8), DONE._replace(time=11))
    assert found(*events, *then, cluster=late) == set()
    top_waits = (*COME[:2], BIND_NEW, *HISTORY[4:], PLAN, EVICT, PREEMPT)
    assert found(*top_waits) == {"wave"}
    assert found(*top_waits[:-1], PLAN._replace(time=7)) == {"plan"}


def test_preemption() -> None:
    without_top = (*COME[:2], BIND_NEW, *HISTORY[4:])
    assert found(*without_top, PREEMPT, Event(9, "bind", "top", "a")) == set()
    assert found(*HISTORY, PREEMPT) == {"preempt"}
    assert found(*without_top, PREEMPT, cluster=changed(top={"preempts": False})) == {"preempt"}
    assert found(*without_top, PREEMPT, cluster=changed(old={"priority": 5})) == {"preempt"}
    assert found(*without_top, PREEMPT, cluster=changed(old={"protected": True})) == {"protected"}
    assert found(*without_top, PREEMPT._replace(node="b")) == {"leave"}
    early = (*without_top, PREEMPT, Event(8, "bind", "old", "a"))
    assert found(*early) >= {"twice"}


def test_steps_are_skipped_only_after_some_pod_has_come_or_ended() -> None:
    skip = Event(6, "skip", "old", "a")
    assert found(*HISTORY, PLAN, skip) == set()
    alone = replace(CLUSTER, pods=CLUSTER.pods[:1])
    assert found(PLAN, skip, cluster=alone) == {"skip"}


def test_what_is_no_record_of_pods() -> None:
    assert found(*HISTORY, Event(6, "arrive", "nobody")) >= {"unknown"}
    assert found(*HISTORY, Event(6, "dance", "new")) == {"unknown"}
    assert found(*HISTORY, Event(6, "dance")) == {"unknown"}
    timeline = record(CLUSTER, HISTORY, 20)
    timeline.point("arrive", "", "default/brief", "", 3)
    assert "time" in rules(CLUSTER, timeline)
    timeline = record(CLUSTER, HISTORY, 20)
    timeline.span("sleep", "a", "default/top", "", 3, 4)
    timeline.gauge("mood", "a", 3, 4)
    assert rules(CLUSTER, timeline) == {"unknown"}
    assert rules(CLUSTER, Timeline("s")) == {"arrival", "span"}


def edited(timeline: Timeline) -> Iterator[tuple[str, Timeline]]:
    """The record with one span or gauge changed."""
    spans, gauges = [*timeline.spans()], [*timeline.gauges()]

    def made(some_spans: list[Any], some_gauges: list[Any]) -> Timeline:
        new = Timeline(timeline.unit, timeline.lanes)
        for span in some_spans:
            new.span(*span)
        for point in timeline.points():
            new.point(*point)
        for gauge in some_gauges:
            new.gauge(*gauge)
        return new

    for n, span in enumerate(spans):
        before, after = spans[:n], spans[n + 1 :]
        for instead in (
            [],
            [span, span],
            [span._replace(start=span.start + 1)],
            [span._replace(end=span.end - 1)],
            [span._replace(start=span.start - 1, end=span.end - 1)],
            [span._replace(group="default/nobody")],
            [span._replace(kind="wait" if span.kind == "run" else "run")],
            *([[span._replace(lane="b" if span.lane == "a" else "a")]] if span.lane else []),
        ):
            if span.start < span.end:
                yield "span", made([*before, *instead, *after], gauges)
    shown: dict[str, float] = {}
    for n, gauge in enumerate(gauges):
        if shown.get(gauge.lane, 0.0) != gauge.value:
            yield "gauge", made(spans, [*gauges[:n], *gauges[n + 1 :]])
        shown[gauge.lane] = gauge.value
        yield "gauge", made(spans, [*gauges[:n], gauge._replace(value=gauge.value + 1)])


def test_a_record_that_does_not_fit_what_happened() -> None:
    timeline = simulate(CLUSTER, load_policy("cluster/kube-scheduler"))
    assert check(CLUSTER, timeline) == []
    variants = [*edited(timeline)]
    assert len(variants) > 30
    for rule, variant in variants:
        assert rule in rules(CLUSTER, variant)


@given(cluster=clusters(), seed=st.integers(0, 99), data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_point_can_be_left_out(cluster: Pods, seed: int, data: st.DataObject) -> None:
    timeline = simulate(cluster, Chaos(), seed=seed)
    points = [*timeline.points()]
    needed = [n for n, point in enumerate(points) if point.kind not in ("plan", "skip")]
    if not needed:
        return
    gone = data.draw(st.sampled_from(needed))
    short = Timeline(timeline.unit, timeline.lanes)
    for span in timeline.spans():
        short.span(*span)
    for point in (*points[:gone], *points[gone + 1 :]):
        short.point(*point)
    for gauge in timeline.gauges():
        short.gauge(*gauge)
    assert check(cluster, short)
