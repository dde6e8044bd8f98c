"""A simulation that is given up early says what the whole run would have said."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hocket.core.run import run
from hocket.serving.capacity.probe import Clock, Ended, probe
from hocket.serving.model.cluster import Cluster, Pool, Slo
from hocket.serving.workload import ClosedLoop, LogNormal, Separate
from tests.serving.capacity.cases import chats, policy

CLOCK = Clock(time.time() + 3600)
SPLIT = (Pool(name="prefill", role="prefill"), Pool(name="decode", role="decode"))
TIGHT = Slo(ttft=300_000, tpot=20_000, gap=80_000, e2e=4_000_000, share=0.8)


def closed() -> Cluster:
    lengths = Separate(prompt=LogNormal(median=300, p90=900), output=LogNormal(median=50, p90=99))
    return replace(chats(slo=TIGHT), workload=ClosedLoop(count=40, clients=9, lengths=lengths))


@pytest.mark.parametrize(
    ("world", "name"),
    [
        (chats(slo=TIGHT), "serving/sarathi"),
        (chats(slo=TIGHT, rate=20.0), "serving/vllm-v0"),
        (replace(chats(slo=TIGHT), pools=SPLIT), "serving/distserve"),
        (replace(chats(), pools=(Pool(max_context=3000),)), "serving/vllm-v1"),  # rejects some
        (replace(chats(), pools=(Pool(kv_blocks=500),)), "serving/vllm-v1"),  # preempts
        (closed(), "serving/orca"),
    ],
)
def test_figures_are_those_of_the_metrics(world: Cluster, name: str) -> None:
    found = probe(world, policy(name), seed=3, clock=CLOCK, quit_early=False)
    whole = run(world, policy(name), 3).metrics
    for figure in ("attainment", "ttft_p90", "ttft_p99", "tpot_p90", "tpot_p99", "goodput"):
        assert getattr(found, figure) == whole[figure], figure
    assert found.meets == (whole["attainment"] >= world.slo.share)
    for part in ("ttft", "tpot", "gap", "e2e"):
        if getattr(world.slo, part) is not None:
            lost = found.missed[part] + found.missed.get("rejected", 0.0)
            assert 1 - lost == pytest.approx(whole[f"attainment_{part}"], abs=1e-9)


@settings(max_examples=25)
@given(
    rate=st.floats(2, 60),
    share=st.floats(0.05, 1),
    ttft=st.integers(1, 3000),
    tpot=st.integers(5, 60),
    seed=st.integers(0, 99),
)
def test_giving_up_changes_no_answer(
    rate: float, share: float, ttft: int, tpot: int, seed: int
) -> None:
    slo = Slo(ttft=ttft * 1000, tpot=tpot * 1000, share=share)
    world, rule = chats(rate=rate, count=40, slo=slo), policy("serving/vllm-v1")
    whole = probe(world, rule, seed=seed, clock=CLOCK, quit_early=False)
    early = probe(world, rule, seed=seed, clock=CLOCK)
    assert early.meets == whole.meets
    if early.stopped:
        assert whole.attainment <= early.attainment < share
        assert all(early.missed[part] <= whole.missed[part] + 1e-12 for part in early.missed)
    else:
        assert early == whole


@pytest.mark.parametrize(
    ("slo", "limit"),
    [
        (Slo(ttft=1, tpot=10**6), "ttft"),
        (Slo(ttft=10**8, tpot=1), "tpot"),
        (Slo(gap=1), "gap"),
        (Slo(e2e=1), "e2e"),
    ],
)
@pytest.mark.parametrize("quit_early", [True, False])
def test_it_says_which_part_is_missed(slo: Slo, limit: str, quit_early: bool) -> None:
    found = probe(
        chats(slo=slo), policy("serving/vllm-v1"), seed=0, clock=CLOCK, quit_early=quit_early
    )
    assert (found.meets, found.limit, found.stopped) == (False, limit, quit_early)


def test_requests_that_are_too_long_are_missed() -> None:
    world = replace(chats(), pools=(Pool(max_context=500),))
    found = probe(world, policy("serving/vllm-v1"), seed=0, clock=CLOCK)
    assert (found.meets, found.limit) == (False, "rejected")
    assert found.missed["rejected"] > 0.5


def test_a_run_that_fails_is_an_outcome() -> None:
    lost = replace(chats(), pools=(Pool(kv_blocks=10**6),))
    rule = policy("serving/system", dispatch="serving/round-robin")
    stuck: Any = _Stuck(rule)
    found = probe(lost, stuck, seed=0, clock=CLOCK)
    assert (found.meets, found.limit, found.attainment) == (False, "error", 0.0)
    assert "waiting for ever" in found.error


class _Stuck:
    """A policy that lets nobody in."""

    name = "serving/stuck"

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def begin(self, scenario: Any, streams: Any) -> Any:
        deciders = self.inner.begin(scenario, streams)
        batcher = deciders.batcher

        def stubborn(replica: str, pool: Any) -> Any:
            found = batcher(replica, pool)
            found.admits = lambda view, request: "never"
            return found

        deciders.batcher = stubborn
        return deciders


@pytest.mark.parametrize("clock", [Clock(0.0), Clock(time.time() + 3600, lambda: True)])
def test_the_clock_ends_it(clock: Clock) -> None:
    with pytest.raises(Ended):
        probe(chats(), policy("serving/vllm-v1"), seed=0, clock=clock)


def test_the_clock_ends_it_in_the_middle() -> None:
    asked = iter([False, False, True])
    with pytest.raises(Ended):
        probe(chats(), policy("serving/vllm-v1"), seed=0, clock=Clock(2e10, lambda: next(asked)))
    assert list(asked) == []
