"""The published search: its stages, how they share the time, and the traps that are mended."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import numpy as np
import pytest

from hocket.cluster.model.pods import Pods
from hocket.cluster.packing import clock as clocks
from hocket.cluster.packing import plain as published
from hocket.cluster.packing.case import NOWHERE, Case
from hocket.cluster.packing.model import Model
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.search import pack
from hocket.core.errors import NotApplicable
from hocket.solvers.cpsat import Outcome, minimize
from tests.cluster.packing.test_search import node, pod, spread_out

pytest.importorskip("ortools")


class Scripted:
    """A solver that runs out of time from a certain call on, or returns what it is told first."""

    def __init__(self, good: int, first: Outcome | None = None) -> None:
        self.good, self.first, self.calls = good, first, 0

    def __call__(self, model: Any, **arguments: Any) -> Outcome:
        self.calls += 1
        if self.calls > self.good:
            return Outcome(status="unknown", reason="the limit was reached")
        if self.first is not None:
            return self.first
        return minimize(model, **arguments)


@pytest.mark.parametrize("good", [1, 2])
def test_solution_survives_a_stage_without_one(monkeypatch: Any, good: int) -> None:
    """The first trap: a stage that ends without a solution must not lose the one before."""
    solver = Scripted(good)
    monkeypatch.setattr(clocks, "minimize", solver)
    packing = pack(spread_out(), Options(method="plain"))
    assert solver.calls == good + 1
    assert packing.verdict == "better"
    assert packing.tiers[0].placed == 1
    assert len(packing.where) == 3


def test_nothing_is_lost_in_tiers_that_were_not_solved(monkeypatch: Any) -> None:
    """The second trap: a solution for the first tier leaves all others unplaced."""
    cluster = spread_out()
    options = Options(method="plain")
    case = Case(cluster, options)
    bare = np.array([NOWHERE, NOWHERE, 0], dtype=np.int32)
    model = Model(case, case.home, range(2), [2], alone=True)
    values = [0] * len(model.cp.proto.variables)
    for variable, value in model.hint(bare):
        values[variable.index] = value
    outcome = Outcome(status="optimal", value=-1, bound=-1, values=tuple(values))
    assert model.assignment(outcome).tolist() == bare.tolist()
    monkeypatch.setattr(clocks, "minimize", Scripted(1, outcome))
    packing = pack(cluster, options)
    assert packing.where == {"default/a": "n1", "default/b": "n1", "default/big": "n0"}
    assert packing.verdict == "better"
    assert not packing.tiers[1].proved


def test_without_any_solution_the_present_stays(monkeypatch: Any) -> None:
    monkeypatch.setattr(clocks, "minimize", Scripted(0))
    packing = pack(spread_out(), Options(method="plain"))
    assert packing.verdict == "no better plan in time"
    assert packing.where == {"default/a": "n0", "default/b": "n1"}


def test_plain_refuses_what_it_cannot_hold(monkeypatch: Any) -> None:
    monkeypatch.setattr(published, "LARGEST", 3)
    with pytest.raises(NotApplicable, match="strong"):
        pack(spread_out(), Options(method="plain"))


def test_without_time_for_its_disruption_a_tier_is_left_and_the_next_begun(
    monkeypatch: Any,
) -> None:
    """All of a tier's time may go to places; what is reserved for the next tier is still there."""
    limits = []

    def slow(model: Any, **arguments: Any) -> Outcome:
        limits.append(arguments["deterministic_limit"])
        outcome = minimize(model, **arguments)
        return msgspec.structs.replace(outcome, work=arguments["deterministic_limit"])

    monkeypatch.setattr(clocks, "minimize", slow)
    cluster = spread_out()
    first, *rest = cluster.pods
    cluster = msgspec.structs.replace(
        cluster, pods=(msgspec.structs.replace(first, priority=1), *rest)
    )
    pack(cluster, Options(method="plain", place_share=0.0, time_limit=10.0))
    assert limits == [pytest.approx(7.0), pytest.approx(3.0, abs=0.02)]


def test_the_first_stage_is_told_where_pods_run_and_the_next_the_last_solution(
    monkeypatch: Any,
) -> None:
    """Of those that wait the first is told nothing. The first tier has nobody to disturb."""
    seen = []

    def look(model: Any, **arguments: Any) -> Outcome:
        outcome = minimize(model, **arguments)
        seen.append((arguments["hint"], outcome))
        return outcome

    monkeypatch.setattr(clocks, "minimize", look)
    pack(spread_out(), Options(method="plain"))
    assert len(seen) == 3
    assert [value for _, value in seen[0][0]] == [1, 1]  # the two that run
    for (_, last), (hint, _) in itertools.pairwise(seen):
        assert len(hint) == len(last.values)
        assert all(last[variable] == value for variable, value in hint)


def three_tiers() -> Pods:
    """One pod of each priority runs, and one waits; there is room for half of them."""
    pods = [pod(f"r{p}", 2, f"n{p}", priority=p) for p in range(3)]
    pods += [pod(f"w{p}", 2, priority=p) for p in range(3)]
    return Pods(name="tiers", nodes=tuple(node(f"n{p}", 2) for p in range(3)), pods=tuple(pods))


def test_every_stage_gets_its_share_of_the_time(monkeypatch: Any) -> None:
    """Of 9 s 6 are reserved for three tiers; what each stage takes comes off the right pool."""
    used = [2.5, 1.5, 1.0, 0.5, 1.0, 0.5]
    limits: list[float] = []

    def clocked(model: Any, **arguments: Any) -> Outcome:
        limits.append(arguments["deterministic_limit"])
        return msgspec.structs.replace(minimize(model, **arguments), work=used[len(limits) - 1])

    monkeypatch.setattr(clocks, "minimize", clocked)
    monkeypatch.setattr(clocks, "CALL", 0.0)
    monkeypatch.setattr(clocks, "VARIABLE", 0.0)
    pack(three_tiers(), Options(method="plain", time_limit=9.0, reserved=2 / 3))
    # Places: half of 2 + 3; then the rest of these 5. The 3 s for all are used up, and one more.
    # So 5 are left for two tiers: half of 2.5, the rest; then 3.5 for the last.
    assert limits == pytest.approx([2.5, 2.5, 1.25, 1.5, 1.75, 2.5])


def test_stages_of_less_than_a_millisecond_are_left_out(monkeypatch: Any) -> None:
    solver = Scripted(9)
    monkeypatch.setattr(clocks, "minimize", solver)
    pack(three_tiers(), Options(method="plain", time_limit=0.0015))
    assert solver.calls == 0
