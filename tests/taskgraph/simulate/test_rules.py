"""The rules of the simulated system, each on a case small enough to follow by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hocket.core.errors import Deadlock, IllegalDecision
from hocket.core.timeline import Timeline
from hocket.taskgraph.check import check
from hocket.taskgraph.model.jobs import JobType, Listed, Release, Stream, Task
from hocket.taskgraph.model.processors import Communication, Function, OperatingPoint, Processor
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.roles import Assign, View
from hocket.taskgraph.simulate.world import simulate
from tests.taskgraph.records import right, small


class Fixed:
    """Sends tasks to the processors that it is told, by name, in the order of readiness."""

    name = "taskgraph/fixed"

    def __init__(self, **places: int) -> None:
        self.places = places

    def begin(self, scenario: Any, streams: Any) -> Fixed:
        return self

    def schedule(self, view: View) -> list[Assign]:
        return [Assign(task, self.places.get(task.name, 0)) for task in view.ready]


def play(scenario: TaskGraphs, policy: Any, seed: int = 0) -> Timeline:
    """A run that the checker accepts."""
    timeline = simulate(scenario, policy, seed=seed)
    assert check(scenario, timeline) == []
    return timeline


def times(timeline: Timeline) -> dict[str, tuple[str, int, int]]:
    """Lane, start and end of each task of the only job."""
    return {span.name: (span.lane, span.start, span.end) for span in timeline.spans()}


def test_the_small_run_is_the_one_worked_out_by_hand() -> None:
    timeline = play(small(), Fixed(a=1))
    assert sorted(timeline.spans()) == sorted(right().timeline.spans())
    assert [*timeline.points()] == right().points
    assert [*timeline.gauges()] == right().gauges
    assert timeline.lanes == ("P", "Q.0", "Q.1")


def test_data_that_go_through_memory_are_fetched_once_the_task_is_assigned() -> None:
    scenario = small(communication=Communication(mode="shared-memory", memory={"P": 2, "Q": 3}))
    # a ends at 2, its result is in memory at 4; b is assigned then and can begin at 7.
    assert times(play(scenario, Fixed(a=1)))["b"] == ("P", 7, 10)
    assert times(play(scenario, Fixed(a=1, b=1)))["b"] == ("Q.0", 6, 11)


def test_a_processor_with_several_slots_takes_the_lowest_that_is_free() -> None:
    releases = tuple(Release(type="J", time=t) for t in (0, 0, 0, 5, 6))
    scenario = alone(Function(duration=4), capacity=3, arrivals=Listed(jobs=releases))
    spans = [(s.lane, s.group, s.start) for s in play(scenario, Fixed()).spans()]
    assert spans == [
        ("P.0", "J#0", 0),
        ("P.1", "J#1", 0),
        ("P.2", "J#2", 0),
        ("P.0", "J#3", 5),
        ("P.1", "J#4", 6),
    ]


def alone(function: Function, **fields: Any) -> TaskGraphs:
    """Jobs of one task, for one processor."""
    where = {key: fields.pop(key) for key in ("capacity", "points", "governor") if key in fields}
    return TaskGraphs(
        processors=(Processor(name="P", functions={"work": function}, **where),),
        types=(JobType(name="J", tasks=(Task(name="work"),)),),
        **fields,
    )


def arrived(timeline: Timeline) -> list[tuple[str, int]]:
    return [(p.kind, p.time) for p in timeline.points() if p.kind in ("arrive", "blocked")]


def test_a_blocked_job_retries_after_one_tick_and_a_gap() -> None:
    stream = Stream(gap=3.0, gaps="constant", capacity=1, jobs=2)
    timeline = play(alone(Function(duration=8), arrivals=stream), Fixed())
    assert arrived(timeline) == [("arrive", 0), ("blocked", 3), ("blocked", 7), ("arrive", 11)]


def test_a_blocked_job_that_waits_enters_when_there_is_room() -> None:
    stream = Stream(gap=3.0, gaps="constant", capacity=1, when_full="wait", jobs=3)
    timeline = play(alone(Function(duration=8), arrivals=stream), Fixed())
    assert arrived(timeline) == [
        ("arrive", 0), ("blocked", 3), ("arrive", 8), ("blocked", 11), ("arrive", 16),
    ]  # fmt: skip


def test_a_system_that_starts_full_has_no_gaps_at_first() -> None:
    stream = Stream(gap=5.0, gaps="constant", capacity=3, prefill=True, jobs=4)
    timeline = play(alone(Function(duration=2), arrivals=stream), Fixed())
    assert arrived(timeline) == [("arrive", 0)] * 3 + [("arrive", 5)]


def test_the_horizon_cuts_what_runs_and_what_would_end_with_it() -> None:
    scenario = alone(Function(duration=4), capacity=2, horizon=4)
    (span,) = play(scenario, Fixed()).spans()
    assert (span.kind, span.start, span.end) == ("cut", 0, 4)
    (span,) = play(msgspec.structs.replace(scenario, horizon=5), Fixed()).spans()
    assert (span.kind, span.start, span.end) == ("run", 0, 4)


def test_luck_is_that_of_the_job_and_not_of_the_processor() -> None:
    kind = JobType(name="J", tasks=tuple(Task(name=f"t{i}", function="f") for i in range(50)))
    fast, slow = ({"f": Function(duration=ticks)} for ticks in (100, 200))
    scenario = TaskGraphs(
        processors=(Processor(name="P", functions=fast), Processor(name="Q", functions=slow)),
        types=(kind,),
        noise=0.2,
    )
    (quick, late) = (
        {name: end - start for name, (_, start, end) in times(play(scenario, policy)).items()}
        for policy in (Fixed(), Fixed(**{f"t{i}": 1 for i in range(50)}))
    )
    assert all(abs(late[name] - 2 * quick[name]) <= 2 for name in quick)
    assert len(set(quick.values())) > 20


def test_a_task_of_no_length_takes_none_even_with_noise() -> None:
    (span,) = play(alone(Function(duration=0), noise=3.0), Fixed()).spans()
    assert span.start == span.end == 0


GOVERNED = {
    "points": (OperatingPoint(frequency=1, voltage=1), OperatingPoint(frequency=3, voltage=1)),
    "governor": "ondemand",
}


class Circle:
    """Two tasks, each to wait for the other."""

    name = "taskgraph/circle"

    def begin(self, scenario: Any, streams: Any) -> Circle:
        return self

    def schedule(self, view: View) -> list[Assign]:
        first, second = view.ready
        return [Assign(first, 0, second), Assign(second, 0, first)]


@pytest.mark.parametrize("where", [{}, GOVERNED], ids=["fixed", "ondemand"])
def test_tasks_that_wait_for_each_other_are_a_deadlock(where: dict[str, Any]) -> None:
    both = Listed(jobs=(Release(type="J"), Release(type="J")))
    scenario = alone(Function(duration=2), arrivals=both, **where)
    with pytest.raises(Deadlock, match="J#0/work waits on P for J#1/work"):
        simulate(scenario, Circle())  # type: ignore[arg-type]


class Answers(Fixed):
    """Answers whatever it is told to."""

    def __init__(self, answer: Callable[[View], Any]) -> None:
        self.answer = answer

    def schedule(self, view: View) -> Any:
        return self.answer(view)


def test_a_policy_that_leaves_tasks_out_for_ever_is_a_deadlock() -> None:
    lazy = Answers(lambda view: [])
    with pytest.raises(Deadlock, match="G#0/a is ready, and taskgraph/fixed never assigned it"):
        simulate(small(), lazy)  # type: ignore[arg-type]


ILLEGAL: dict[str, tuple[Callable[[View], Any], str]] = {
    "twice": (
        lambda view: [Assign(view.ready[0], 0), Assign(view.ready[0], 1)],
        "assigned G#0/a.* is not ready, or has been assigned already",
    ),
    "not ready": (lambda view: [Assign(view.jobs[0].tasks[1], 0)], "G#0/b.* is not ready"),
    "unable": (lambda view: [Assign(view.ready[1], 1)], "processor 1 cannot run it"),
    "nowhere": (lambda view: [Assign(view.ready[0], 7)], "processor 7 cannot run it"),
    "itself": (lambda view: [Assign(view.ready[0], 0, view.ready[0])], "cannot wait for G#0/a"),
    "no decision": (lambda view: [(view.ready[0], 0)], "it is no Assign"),
}


@pytest.mark.parametrize("name", ILLEGAL)
def test_what_is_illegal_names_policy_and_reason(name: str) -> None:
    answer, why = ILLEGAL[name]
    with pytest.raises(IllegalDecision, match=f"taskgraph/fixed .*{why}"):
        simulate(small(), Answers(answer))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "sound"),
    [
        ({"gap": 0.5, "gaps": "constant"}, False),
        ({"gap": 1.0, "gaps": "constant"}, True),
        ({"gap": 1e-9}, False),
        ({"gap": 1e-9, "jobs": 5}, True),
        ({"gap": 1e-9, "capacity": 5}, True),
    ],
    ids=str,
)
def test_arrivals_that_never_let_time_pass_are_refused(fields: Any, sound: bool) -> None:
    scenario = small(arrivals=Stream(**fields), horizon=50)
    assert [problem.path for problem in scenario.problems()] == ([] if sound else ["arrivals.gap"])
    if sound:
        play(scenario, Fixed())


def test_no_processor_is_called_as_a_slot_of_another() -> None:
    p, q = small().processors
    for name, sound in (("Q.1", False), ("Q.2", True), ("Q", False)):
        scenario = small(processors=(msgspec.structs.replace(p, name=name), q))
        told = [problem.path for problem in scenario.problems() if "processors" in problem.path]
        assert bool(told) is not sound
