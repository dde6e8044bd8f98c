"""Each rule of the simulated cluster, on the smallest case that shows it."""

from __future__ import annotations

from typing import Any

import pytest

from hocket.cluster.check.pods import check
from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pods import Pod, Pods
from hocket.cluster.model.rules import Term
from hocket.cluster.roles.pods import Bind, Preempt, View, Wait
from hocket.cluster.simulate.pods import simulate
from hocket.core.kernel import Kernel
from hocket.core.timeline import Timeline
from tests.cluster.simulate.scripted import (
    Scripted,
    cluster,
    first_fit,
    nodes,
    play,
    pod,
    points,
)


def _ok(scenario: Pods, timeline: Timeline) -> Timeline:
    assert check(scenario, timeline) == []
    return timeline


def test_pods_run_from_the_start_or_come_and_wait() -> None:
    scenario = cluster(
        nodes(1000, 1000),
        pod("old", node="n0", lifetime=9),
        pod("new", arrival=2, lifetime=5),
        pod("late", arrival=3, lifetime=1),
    )
    timeline = _ok(scenario, play(scenario))
    assert points(timeline, "bind", "done") == [
        (2, "bind", "new", "n1"),
        (7, "done", "new", "n1"),
        (7, "bind", "late", "n1"),
        (8, "done", "late", "n1"),
        (9, "done", "old", "n0"),
    ]
    assert [(s.group, s.start, s.end) for s in timeline.spans("wait")] == [
        ("default/new", 2, 2),
        ("default/late", 3, 7),
    ]
    assert [(g.time, g.value) for g in timeline.gauges("pending")] == [(0, 0), (3, 1), (7, 0)]
    assert timeline.end == 9


def test_order_of_tries() -> None:
    """The more important first, then who has waited longer, then who came first."""
    seen: list[str] = []

    def note(view: View, pod: Pod) -> Wait:
        seen.append(pod.name)
        assert next(p.name for p in view.waiting) == "high"
        return Wait()

    scenario = cluster(nodes(1), pod("b"), pod("a"), pod("high", priority=5), pod("c", arrival=1))
    play(scenario, note)
    assert seen == ["high", "b", "a", "c"]


def test_back_off_doubles_up_to_ten_seconds() -> None:
    """A pod fails at 0; room that is made for others wakes it, but not before its back-off."""
    tries: list[int] = []

    def place(view: View, pod: Pod) -> Bind | Wait:
        if pod.name == "hopeless":
            tries.append(view.now)
            return Wait("never")
        return first_fit(view, pod)

    short = [pod(f"s{t}", 1, arrival=t, lifetime=1) for t in range(40)]
    play(cluster(nodes(100), pod("hopeless", priority=9), *short), place)
    # Pods leave at 1, 2, 3, ...: every back-off of 1, 2, 4, 8, 10 s is followed by a try.
    assert tries == [0, 1, 3, 7, 15, 25, 35, 45]


def test_nothing_is_tried_without_a_change() -> None:
    tries: list[int] = []

    def place(view: View, pod: Pod) -> Bind | Wait:
        if pod.name == "big":
            tries.append(view.now)
        return first_fit(view, pod)

    scenario = cluster(
        nodes(1000),
        pod("big", 2000),
        pod("runs", 500, node="n0", lifetime=100),
        pod("comes", 500, arrival=50, lifetime=500),
    )
    play(scenario, place)
    assert tries == [0, 100, 550]  # a bind at 50 is no reason


def test_a_bind_wakes_those_who_want_to_be_near() -> None:
    web = Term(selector=(Expression(key="app", values=("web",)),))

    def place(view: View, pod: Pod) -> Bind | Wait:
        near = pod.near and "default/web" not in view.state.where
        return Wait("alone") if near else first_fit(view, pod)

    scenario = cluster(
        nodes(5000), pod("friend", near=(web,)), pod("web", labels={"app": "web"}, arrival=20)
    )
    timeline = _ok(scenario, play(scenario, place))
    assert points(timeline, "bind") == [(20, "bind", "web", "n0"), (20, "bind", "friend", "n0")]


def test_gated_pods_wait_for_ever() -> None:
    scenario = cluster(nodes(5000), pod("gated", gated=True), pod("free", arrival=3))
    timeline = _ok(scenario, play(scenario))
    assert points(timeline, "bind") == [(3, "bind", "free", "n0")]
    assert [(s.group, s.start, s.end, s.reason) for s in timeline.spans("wait")][1:] == [
        ("default/gated", 0, 3, "it is held back by scheduling gates")
    ]
    assert [*timeline.gauges()][-1].value == 1


def _preempting(*victims: str) -> Any:
    def place(view: View, pod: Pod) -> Bind | Preempt | Wait:
        if pod.name == "vip" and pod.key not in view.nominated:
            return Preempt("n0", tuple(f"default/{v}" for v in victims), "makes room")
        return first_fit(view, pod)

    return place


def test_preemption_with_grace() -> None:
    """The victim holds its node for 5 s, then waits anew; its lifetime counts what it ran."""
    scenario = cluster(
        nodes(1000),
        pod("low", node="n0", lifetime=20),
        pod("vip", priority=1, arrival=10, lifetime=7),
        grace=5,
    )
    seen = {}

    def place(view: View, pod: Pod) -> Any:
        seen[view.now, pod.name] = (dict(view.nominated), sorted(view.leaving))
        return _preempting("low")(view, pod)

    timeline = _ok(scenario, play(scenario, place))
    assert points(timeline, "preempt", "bind", "done") == [
        (10, "preempt", "low", "n0"),
        (15, "bind", "vip", "n0"),
        (22, "done", "vip", "n0"),
        (22, "bind", "low", "n0"),
        (27, "done", "low", "n0"),
    ]
    assert seen[10, "vip"] == ({}, [])
    assert seen[15, "vip"] == ({"default/vip": "n0"}, [])
    assert seen[15, "low"] == ({}, [])  # its nomination has ended with the bind


def test_a_victim_may_end_while_it_is_leaving() -> None:
    scenario = cluster(
        nodes(1000),
        pod("low", node="n0", lifetime=12),
        pod("vip", priority=1, arrival=10),
        grace=5,
    )
    timeline = _ok(scenario, play(scenario, _preempting("low")))
    assert points(timeline, "bind", "done") == [
        (12, "done", "low", "n0"),
        (12, "bind", "vip", "n0"),
    ]


def test_end_and_leave_at_one_tick_is_an_end() -> None:
    scenario = cluster(
        nodes(1000),
        pod("low", node="n0", lifetime=15),
        pod("vip", priority=1, arrival=10),
        grace=5,
    )
    timeline = _ok(scenario, play(scenario, _preempting("low")))
    assert points(timeline, "bind", "done") == [
        (15, "done", "low", "n0"),
        (15, "bind", "vip", "n0"),
    ]


def test_preemption_waits_for_all_victims() -> None:
    scenario = cluster(
        nodes(2000),
        pod("a", node="n0"),
        pod("b", node="n0", lifetime=3),
        pod("vip", 2000, priority=1, arrival=1, lifetime=1),
        grace=10,
    )
    timeline = _ok(scenario, play(scenario, _preempting("a", "b")))
    assert points(timeline, "done", "bind")[:2] == [
        (3, "done", "b", "n0"),
        (11, "bind", "vip", "n0"),
    ]


def test_without_grace_it_all_happens_at_once() -> None:
    scenario = cluster(nodes(1000), pod("low", node="n0"), pod("vip", priority=1, arrival=4))
    timeline = _ok(scenario, play(scenario, _preempting("low")))
    assert points(timeline, "preempt", "bind") == [
        (4, "preempt", "low", "n0"),
        (4, "bind", "vip", "n0"),
    ]
    assert [(s.group, s.start, s.end) for s in timeline.spans("run")] == [
        ("default/low", 0, 4),
        ("default/vip", 4, 4),
    ]


def test_a_nomination_ends_when_the_pod_is_tried_in_vain() -> None:
    """Something more important takes the room that was made."""
    nominated = []

    def place(view: View, pod: Pod) -> Any:
        nominated.append((view.now, pod.name, dict(view.nominated)))
        return _preempting("low")(view, pod)

    scenario = cluster(
        nodes(1000),
        pod("low", node="n0"),
        pod("vip", priority=1, arrival=1, preempts=True),
        pod("king", priority=9, arrival=5),
        grace=4,
    )
    timeline = _ok(scenario, play(scenario, place))
    assert points(timeline, "bind") == [(5, "bind", "king", "n0")]
    assert (5, "vip", {"default/vip": "n0"}) in nominated
    assert nominated[-1] == (5, "low", {})


def test_the_horizon_cuts() -> None:
    scenario = cluster(nodes(1000), pod("a", lifetime=50), pod("b"), horizon=20)
    timeline = _ok(scenario, play(scenario))
    assert [(s.kind, s.group, s.end) for s in timeline.spans()][1:] == [
        ("run", "default/a", 20),
        ("wait", "default/b", 20),
    ]
    assert not [*timeline.points("done")]


@pytest.mark.parametrize(
    ("unit", "tick"), [("tick", 1), ("s", 1), ("ms", 1000), ("min", 1), ("us", 10**6)]
)
def test_a_second_of_back_off_in_ticks(unit: Any, tick: int) -> None:
    tries: list[int] = []

    def place(view: View, pod: Pod) -> Bind | Wait:
        if pod.name != "big":
            return first_fit(view, pod)
        tries.append(view.now)
        return Wait()

    scenario = cluster(nodes(10), pod("big"), pod("short", 1, lifetime=0), time_unit=unit)
    simulate(scenario, Scripted(place=place), kernel=Kernel(unit))
    assert tries == [0, tick]


def test_shared_gpus_are_named() -> None:
    machine = nodes(9000)[0]
    machine = type(machine)(name="n0", allocatable=machine.allocatable, gpus=3)
    half = {"gpus": 1, "gpu_milli": 500}
    scenario = cluster((machine,), pod("a", **half), pod("b", **half), pod("c", gpus=2))
    timeline = _ok(scenario, play(scenario))
    assert [(s.group[-1], s.name) for s in timeline.spans("run")] == [
        ("a", "0"),
        ("b", "0"),
        ("c", "1,2"),
    ]
