"""Expected timelines: nothing overlaps, and nothing could finish earlier."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.streams import Streams
from hocket.taskgraph.check import check
from hocket.taskgraph.deepsocs.placement import expected, place
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.roles import Assign, Task, View
from hocket.taskgraph.simulate.world import simulate
from tests.taskgraph.strategies import scenarios

Interval = tuple[int, int]


class Placing:
    """Places tasks, and looks for an earlier finish at every instant."""

    name = "taskgraph/placing"

    def begin(self, scenario: TaskGraphs, streams: Streams) -> Placing:
        return self

    def schedule(self, view: View) -> list[Assign]:
        table, answer = expected(view), []
        for task in view.ready:
            busy = [[(s.base, s.starts, s.ends) for s in slots] for slots in table.slots]
            least = min(self.earliest(view, task, p, busy[p]) for p in task.able)
            spot = place(table, view, task)
            assert spot.finish == least
            answer.append(Assign(task, spot.processor))
            for slots in table.slots:
                for slot in slots:
                    ends = [slot.base, *slot.ends]
                    assert all(a <= b for a, b in zip(ends, slot.starts, strict=False))
        return answer

    def earliest(self, view: View, task: Task, p: int, slots: list[Any]) -> int:
        duration, there = task.durations[p], view.inputs_at(task, p)
        slots = [*slots, (view.now, [], [])] if len(slots) < view.cores[p].capacity else slots
        return min(
            next(
                t + duration
                for t in range(max(there, base), 10**6)
                if all(
                    t + duration <= start or end <= t
                    for start, end in zip(starts, ends, strict=True)
                    if end > start
                )
            )
            for base, starts, ends in slots
        )


@settings(max_examples=40)
@given(scenarios(), st.integers(0, 2**16))
def test_tasks_go_where_they_are_expected_to_finish_first(scenario: TaskGraphs, seed: int) -> None:
    policy: Any = Placing()
    assert not check(scenario, simulate(scenario, policy, seed=seed))
