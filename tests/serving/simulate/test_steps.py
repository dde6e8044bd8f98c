"""The iterations of a run, as they were composed."""

from __future__ import annotations

from hocket.core.load import load_policy
from hocket.serving.cost import Constant
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.simulate.cluster import simulate
from hocket.serving.simulate.steps import SimStep, steps
from hocket.serving.workload import Trace


def one(trace: Trace, blocks: int, *, count: int = 1, cache: bool = False) -> Cluster:
    cost = Constant(seconds=0.01)
    pool = Pool(count=count, kv_blocks=blocks, block_size=4, cost=cost, prefix_cache=cache)
    return Cluster(time_unit="ms", workload=trace, pools=(pool,))


V1 = load_policy({"policy": "serving/vllm-v1", "tokens": 16})


def test_who_gets_what_who_gives_way_and_what_is_left() -> None:
    # Both prompts fill 4 of 5 blocks. At 10 r0 takes the last one, and r1 gives way to itself.
    trace = Trace(arrival=(0, 0, 3), prompt=(8, 8, 8), output=(3, 2, 1))
    found = steps(one(trace, 5), V1)
    assert found[:2] == [
        SimStep(0, "replica-0", {"r0": 8, "r1": 8}, (), 1, ("r0", "r1"), ()),
        SimStep(10, "replica-0", {"r0": 1}, ("r1",), 2, ("r0",), ("r1", "r2")),
    ]
    third = found[2]
    assert (third.tokens, third.waiting, third.reasons) == (
        {"r0": 1},
        ("r1", "r2"),
        {"r1": "no memory"},
    )
    assert [step.tokens for step in found[3:]] == [{"r1": 9, "r2": 7}, {"r2": 1}]


def test_a_preempted_request_finds_its_own_blocks_again() -> None:
    trace = Trace(arrival=(0, 0), prompt=(8, 8), output=(3, 3))
    found = steps(one(trace, 5, cache=True), V1)
    # Of 9 tokens the blocks of the prompt are there; r0 has taken none of them.
    assert [step.tokens for step in found] == [
        {"r0": 8, "r1": 8},
        {"r0": 1},
        {"r0": 1},
        {"r1": 1},
        {"r1": 1},
    ]


def test_steps_of_several_replicas_are_told_apart_and_are_those_of_the_run() -> None:
    trace = Trace(arrival=(0, 0, 5), prompt=(40, 8, 30), output=(5, 3, 9))
    scenario = one(trace, 20, count=2)
    found = steps(scenario, V1)
    tallies = simulate(scenario, V1).columns()["tallies"]
    rows = zip(tallies["name"], tallies["lane"], tallies["value"], strict=True)
    iterations = {lane: value for name, lane, value in rows if name == "iterations"}
    assert iterations == {
        lane: sum(step.replica == lane for step in found) for lane in ("replica-0", "replica-1")
    }
    assert [step.time for step in found] == sorted(step.time for step in found)
    computed = sum(sum(step.tokens.values()) for step in found)
    assert computed == 40 + 8 + 30 + (5 - 1) + (3 - 1) + (9 - 1)
