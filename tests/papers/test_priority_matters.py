"""The experiment on Priority Matters, on tiny clusters and by the clock of work."""

from __future__ import annotations

from itertools import islice, product
from typing import get_args

import msgspec
import pytest

from hocket.cluster.generate.dynamic import Churn
from hocket.cluster.model.pods import Node, Pod, Pods
from hocket.core.paper import Fidelity
from hocket.core.registry import paper, policies
from hocket.papers import priority_matters
from hocket.papers.priority_matters import PAPER, churn, reproduce
from hocket.papers.priority_matters.claims import arrivals, beyond, options, percent, shares, trends
from hocket.papers.priority_matters.scenarios import (
    CELLS,
    NODES,
    PRIORITIES,
    SAMPLE,
    SMALL,
    UTILISATIONS,
    Cell,
    snapshot,
)
from hocket.papers.priority_matters.windows import (
    MOVE_FIRST,
    ONE,
    PLAIN_1,
    PLAIN_10,
    STRONG_1,
    VERDICTS,
    Found,
    Searched,
    counted,
    search,
    searches,
)

TINY = Cell(4, 4, 2, 0.95)


def by_work(seed=0):
    return {
        name: msgspec.structs.replace(one, clock="work", workers=1)
        for name, one in searches(seed).items()
    }


def outcome(verdict, *, score=((1, 0),), seconds=0.5, cpu=0.0, memory=0.0):
    return Found(verdict, seconds, score, cpu, memory)


def everywhere(one, cells=SAMPLE):
    return [Searched(cell, dict.fromkeys(searches(0), one)) for cell in cells]


def waits(cluster):
    return [pod.key for pod in cluster.pods if pod.node is None]


def test_the_paper_is_registered_and_its_policies_exist():
    assert paper("priority-matters") is PAPER
    assert set(PAPER.policies) <= set(policies("cluster"))


# Scenarios


def test_settings_are_the_published_ones_and_the_sample_has_each_of_them():
    assert len(CELLS) == len(set(CELLS)) == 96
    assert len(set(SAMPLE)) == 24 and set(SAMPLE) <= set(CELLS)
    sizes = {(c.nodes, c.pods_per_node, c.priorities) for c in SAMPLE}
    assert sizes == set(product(NODES, (4, 8), PRIORITIES))
    for u in UTILISATIONS:
        assert sum(c.utilisation == u for c in SAMPLE) == 6
        assert {c.nodes for c in SAMPLE if c.utilisation == u} == set(NODES)
    assert len(SMALL) == 24 and {c.nodes for c in SMALL} == {4}


def test_below_one_the_first_seeds_are_kept_that_leave_a_pod_waiting():
    cell = Cell(4, 8, 1, 0.9)  # where the default scheduler places all of some workloads
    every = [snapshot(_workload(cell, seed)) for seed in range(20)]
    assert 0 < sum(one is None for one in every) < 20
    kept = [one for one in every if one is not None]
    assert [*islice(cell.scenarios(len(kept)), len(kept))] == kept
    later = next(k for k, one in enumerate(every) if one is None)
    assert next(cell.scenarios(1, later)) == next(one for one in every[later:] if one is not None)


def test_from_one_on_the_seeds_are_fixed(monkeypatch):
    cell = Cell(4, 4, 1, 1.0)
    every = [snapshot(_workload(cell, seed)) for seed in range(3, 7)]
    assert [*cell.scenarios(4, 3)] == every
    monkeypatch.setattr("hocket.papers.priority_matters.scenarios.snapshot", lambda cluster: None)
    assert [*cell.scenarios(4)] == [None] * 4


def _workload(cell, seed):
    from hocket.cluster.generate.replicasets import ReplicaSets

    return ReplicaSets(**cell._asdict()).make(seed)


def test_a_snapshot_is_what_the_default_scheduler_leaves():
    """Three pods of 400 spread over three nodes of 1000, and then two of 700 do not fit."""

    def pods(name, number, cpu, arrival):
        return [
            Pod(
                name=f"{name}{k}",
                requests={"milli_cpu": cpu, "memory": 1},
                owner=name,
                arrival=arrival,
            )
            for k in range(number)
        ]

    nodes = tuple(
        Node(name=f"n{k}", allocatable={"milli_cpu": 1000, "memory": 10}) for k in range(3)
    )
    small, large = pods("small", 3, 400, 0), pods("large", 2, 700, 3000)
    cluster = Pods(nodes=nodes, pods=(*small, *large))
    left = snapshot(cluster)
    assert sorted(pod.node for pod in left.pods[:3]) == ["n0", "n1", "n2"]
    assert waits(left) == ["default/large0", "default/large1"] and left.static
    assert snapshot(msgspec.structs.replace(cluster, pods=tuple(small))) is None


# Searches


def test_the_windows_are_those_of_the_paper():
    known = searches(3)
    assert {(o.clock, o.seed, o.reserved, o.place_share) for o in known.values()} == {
        ("wall", 3, 0.6, 0.5)
    }
    told = {n: (o.method, o.time_limit, o.cost, o.trigger) for n, o in known.items()}
    assert told == {
        PLAIN_1: ("plain", 1, "evict-first", "batch"),
        PLAIN_10: ("plain", 10, "evict-first", "batch"),
        STRONG_1: ("strong", 1, "evict-first", "batch"),
        MOVE_FIRST: ("plain", 10, "move-first", "batch"),
        ONE: ("plain", 10, "evict-first", "one"),
    }


def test_what_a_search_finds_is_told_in_figures():
    (cluster,) = TINY.scenarios(1)
    options = by_work()[PLAIN_10]
    first = search(cluster, options)
    assert first == search(cluster, options)
    assert first.verdict == "better and optimal" and first.proved and first.better
    assert first.score[-1][0] > len(cluster.pods) - len(waits(cluster))
    assert 0 < first.cpu < 0.5 and 0 < first.memory < 0.5
    none = search(cluster, msgspec.structs.replace(options, time_limit=0))
    assert none.failed and not none.better and (none.cpu, none.memory) == (0, 0)


def test_the_most_important_waiting_pod_asks(monkeypatch):
    seen = []

    def plan_for(cluster, options, preemptor):
        seen.append(preemptor)
        raise InterruptedError

    monkeypatch.setattr("hocket.papers.priority_matters.windows.plan_for", plan_for)
    pods = tuple(
        Pod(name=name, requests={"milli_cpu": 1, "memory": 1}, priority=p, node=node)
        for name, p, node in (("a", 9, "n"), ("b", 1, None), ("c", 3, None), ("d", 3, None))
    )
    node = Node(name="n", allocatable={"milli_cpu": 1, "memory": 1})
    cluster = Pods(nodes=(node,), pods=pods)
    for name in (ONE, PLAIN_1):
        with pytest.raises(InterruptedError):
            search(cluster, by_work()[name])
    assert seen == ["default/c", ""]


# Claims


def test_classes_are_counted():
    found = [
        Searched(TINY, {PLAIN_1: outcome(verdict)})
        for verdict, number in zip(VERDICTS, (1, 2, 3, 4), strict=True)
        for _ in range(number)
    ]
    assert counted(found, PLAIN_1) == (
        "10 scenarios: 1 better and optimal, 2 better, 3 already optimal, 4 no better plan in time"
    )
    found = [one._replace(found=dict.fromkeys(searches(0), one.found[PLAIN_1])) for one in found]
    told = {c.name: c for c in shares(found)}
    assert told["plain, 1 s: a better plan is found"].measured == "30 %"
    assert told["plain, 1 s: a better plan is found"].holds  # 14 points from 44 %
    assert not told["plain, 10 s: a better plan is found"].holds
    assert told["plain, 10 s: the default is proved to be optimal"].measured == "30 %"
    assert told["plain, 10 s: the default is proved to be optimal"].published == "> 19 %"


@pytest.mark.parametrize(("gain", "holds"), [(0.009, False), (0.011, True), (0.079, True)])
def test_the_gain_in_use_is_that_of_better_plans(gain, holds):
    found = everywhere(outcome("better", cpu=gain, memory=gain), SAMPLE[:3])
    found += everywhere(outcome("already optimal", cpu=0.0), SAMPLE[3:])
    claim = [*shares(found)][-1]
    assert claim.holds == holds and claim.measured.startswith(f"cores {100 * gain:.1f}")


def test_trends_are_those_that_were_told():
    def of(cell, seconds):
        hard = cell.nodes >= 16
        fails, finds = outcome("no better plan in time"), outcome("better and optimal")
        short = fails if hard or cell.priorities == 1 else finds
        long = fails if cell.nodes == 32 and cell.priorities == 1 else finds
        long = long._replace(seconds=seconds[cell.nodes])
        return Searched(cell, {PLAIN_1: short, PLAIN_10: long})

    seconds = {4: 0.1, 8: 0.5, 16: 4.0, 32: 9.5}
    told = [*trends([of(cell, seconds) for cell in SAMPLE])]
    assert len(told) == 5 and all(claim.holds for claim in told)
    assert told[0].measured == "4: 33 %, 8: 33 %, 16: 100 %, 32: 100 %"
    assert told[3].measured == "0 % and 100 %"
    for wrong in ({**seconds, 32: 8.0}, {**seconds, 8: 5.0}):
        assert not [*trends([of(cell, wrong) for cell in SAMPLE])][4].holds
    flat = [*trends(everywhere(outcome("better and optimal")))]
    assert not any(claim.holds for claim in flat)


def test_strong_is_compared_scenario_by_scenario():
    def of(ours, plain):
        found = {
            STRONG_1: outcome("better", score=ours),
            PLAIN_10: outcome("better and optimal", score=plain),
        }
        return Searched(TINY, found)

    more, fewer = ((3, -1), (5, -2)), ((3, -1), (5, -3))
    claim = beyond([of(more, fewer), of(more, more), of(fewer, more)])
    assert claim.holds and claim.published is None
    assert claim.measured == "better in 1, equal in 1, worse in 1"
    assert "better plans 3 and 3, proofs 0 and 3" in claim.note
    assert not beyond([of(more, more), of(fewer, more)]).holds


def test_options_are_compared_where_both_are_proved():
    cluster = [*TINY.scenarios(2)]
    known = by_work()
    names = (PLAIN_10, MOVE_FIRST, ONE)
    found = [Searched(TINY, {n: search(one, known[n]) for n in names}) for one in cluster]
    order, trigger = options(found)
    assert order.measured == "as many in 2 of 2" and order.holds
    assert trigger.measured == "1 and 1 of 2" and trigger.holds
    late = Searched(TINY, dict.fromkeys(names, outcome("better", score=((9, 0),))))
    assert [c.measured for c in options([*found, late])] == [order.measured, trigger.measured]
    worse = Searched(TINY, dict.fromkeys(names, outcome("better and optimal")))
    worse.found[MOVE_FIRST] = outcome("better and optimal", score=((2, 0),))
    worse.found[ONE] = outcome("better and optimal", score=((2, 0),))
    assert not any(claim.holds for claim in options([worse]))


def test_pods_that_come_at_once_are_placed_by_priority():
    cell = Cell(4, 8, 4, 1.05)
    in_turn, at_once = (next(cell.scenarios(1, at_once=together)) for together in (False, True))
    assert {pod.key for pod in in_turn.pods} == {pod.key for pod in at_once.pods}
    waiting = [[p.priority for p in one.pods if p.node is None] for one in (in_turn, at_once)]
    assert sum(waiting[0]) / len(waiting[0]) > sum(waiting[1]) / len(waiting[1])
    some = everywhere(outcome("already optimal"), SMALL[:1]) + everywhere(outcome("better"), SMALL)
    every = everywhere(outcome("already optimal"), SMALL)
    assert arrivals(some, every).measured == "4 % of 25 and 100 % of 24"
    assert arrivals(some, every).holds and not arrivals(every, some).holds


def test_over_time_the_highest_priority_counts_first():
    def trace(ours, default):
        return {
            churn.OURS: churn.Ran(ours, 0.5),
            churn.DEFAULT: churn.Ran(default, 0.48),
            churn.PREEMPTING: churn.Ran(default, 0.49),
        }

    seconds, use = churn.claims([trace((9, 1), (8, 5)), trace((9, 1), (9, 1))])
    assert not seconds.holds and "in 1 of 2 traces" in seconds.note
    assert seconds.measured.endswith("Priority Matters 18 / 2")
    assert use.holds and use.measured == 2.0


# All of it


def test_everything_is_counted_and_every_claim_is_labelled(monkeypatch):
    monkeypatch.setattr(priority_matters, "SAMPLE", (TINY, TINY._replace(utilisation=1.05)))
    monkeypatch.setattr(priority_matters, "SMALL", (Cell(4, 4, 1, 0.9),))
    monkeypatch.setattr(churn, "SHORT", Churn(nodes=2, duration=60_000))
    monkeypatch.setattr(priority_matters, "searches", by_work)
    seen = []
    told = reproduce(seed=2, progress=lambda done, total, what: seen.append((done, total, what)))
    assert [(done, total) for done, total, _ in seen] == [(k, 7) for k in range(1, 8)]
    assert seen[0][2] == "4 nodes x 4 pods, priorities: 2, requested: 0.95: 1 of 1"
    assert len(told) == len({claim.name for claim in told}) == 16
    assert (
        {claim.fidelity for claim in told} == {"reconstruction", "shape"} < set(get_args(Fidelity))
    )
    assert all(claim.note and claim.measured != "" for claim in told)
    assert told == reproduce(seed=2)


def test_shares_are_told_in_per_cent():
    assert percent(0.446) == "45 %"
