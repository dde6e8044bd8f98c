"""The table of pairs against a slow one, in any scenario."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.streams import Streams
from hocket.taskgraph.generate.streams import Top
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.neural.features import FEATURES, Known, Situation
from hocket.taskgraph.roles import Assign, View
from hocket.taskgraph.simulate.world import simulate
from tests.taskgraph.neural.literal import Literal
from tests.taskgraph.strategies import scenarios


class Comparing:
    """Assigns at random, and compares the two tables before every choice."""

    name = "taskgraph/comparing"

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.compared = 0
        self.idle: set[bool] = set()

    def begin(self, scenario: TaskGraphs, streams: Streams) -> Comparing:
        self.scenario, self.known = scenario, Known(scenario)
        return self

    def schedule(self, view: View) -> list[Assign]:
        situation, answer = Situation(self.known, view), []
        self.idle.add(situation.idle)
        assert situation.idle is not any(core.running or core.queue for core in view.cores)
        while True:
            slow = Literal(self.scenario, view, [(a.task, a.processor) for a in answer])
            rows = situation.rows()
            assert rows == slow.rows()
            if not rows:
                return answer
            table = situation.table(rows)
            assert table.dtype == np.float32 and table.shape == (len(rows) + 1, len(FEATURES))
            np.testing.assert_allclose(table, slow.table(), rtol=1e-5, atol=1e-5)
            self.compared += 1
            choice = int(self.rng.integers(len(rows) + (not situation.idle)))
            if choice == len(rows):
                return answer
            situation.assign(*rows[choice])
            answer.append(Assign(*rows[choice]))


@settings(max_examples=40)
@given(scenarios(), st.integers(0, 2**16))
def test_the_table_is_what_its_columns_say(scenario: TaskGraphs, seed: int) -> None:
    policy: Any = Comparing(seed)
    simulate(scenario, policy, seed=seed)
    assert policy.compared > 0 or scenario.horizon is not None


def test_who_waits_while_nothing_runs_would_wait_for_ever() -> None:
    policy: Any = Comparing(0)
    simulate(Top(horizon=300).make(), policy)
    assert policy.idle == {True, False}
