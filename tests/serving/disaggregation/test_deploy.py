"""Plans as scenarios for hocket's own engine."""

import numpy as np
import pytest

from hocket.serving.disaggregation.configurations import Pair, Parallel, published_profile
from hocket.serving.disaggregation.deploy import (
    deployed,
    engine_goodput,
    in_engine,
    published_pair,
    published_pool,
    published_pools,
)
from hocket.serving.disaggregation.goodput import Target
from hocket.serving.disaggregation.oracle import (
    ORACLE,
    OUTPUT,
    PROMPT,
    REQUESTS,
    ROWS,
    System,
    authors_sample,
    printed,
)
from hocket.serving.disaggregation.placement import Options, slow_links, together
from hocket.serving.policies.distserve import DistServe
from hocket.serving.policies.vllm import VllmV0

LENGTHS = np.array(ROWS[:400])
TARGET = Target(250, 100)


def test_a_plan_becomes_pools_of_its_cuts_and_copies():
    requests, options = authors_sample(100), Options(step=0.5)
    profile = published_profile("opt-13b")
    plan = slow_links(profile, 1, 4, requests, TARGET, 20.0, options)
    prefill, decode = published_pools(plan, "opt-13b")
    assert (prefill.role, prefill.tp, prefill.pp) == ("prefill", *plan.prefill)
    assert (decode.role, decode.tp, decode.pp) == ("decode", *plan.decode)
    assert prefill.count * prefill.gpus + decode.count * decode.gpus == plan.gpus
    scenario = deployed((prefill, decode), LENGTHS, 20.0, TARGET)
    assert list(scenario.problems()) == [] and DistServe().refuses(scenario) == ""
    plan = together(published_profile("opt-13b", "vllm"), 4, requests, TARGET, 20.0, options)
    (pool,) = published_pools(plan, "opt-13b", "vllm")
    assert pool.role == "both" and pool.count == plan.copies


VLLM = VllmV0(tokens=10**6, seqs=10**4, watermark=0.0)
SPLIT = DistServe(pack=10**6, prefill_seqs=10**4, decode_seqs=10**4, waiting_share=1.0)
ARRIVALS = {rate: [i / rate * 1000 for i in range(REQUESTS)] for rate in (1, 2, 3, 5, 6, 9)}


@pytest.mark.parametrize(
    ("model", "tp", "rate"),
    [("opt-13b", 1, rate) for rate in (1, 2, 3)] + [("opt-66b", 4, rate) for rate in (1, 2)],
)
def test_the_engine_gives_the_authors_figures_of_vllm_to_the_last_digit(model, tp, rate):
    pool = published_pool(model, "both", Parallel(tp, 1), "vllm")
    times = in_engine((pool,), VLLM, ARRIVALS[rate], PROMPT, OUTPUT)
    assert printed(times) == ORACLE[System(model, "vllm", Parallel(tp, 1))][rate]


@pytest.mark.parametrize("rate", [3, 6, 9])
def test_the_engine_gives_their_figures_of_a_split_pair_but_for_when_a_pull_begins(rate):
    pair = Pair(1, 2, 1, 1, 1)
    pools = published_pair("opt-13b", pair)
    found = printed(in_engine(pools, SPLIT, ARRIVALS[rate], PROMPT, OUTPUT)).split()
    expected = ORACLE[System("opt-13b", "distserve", pair)][rate].split()
    assert found[:2] == expected[:2]  # time to first token
    rest = [float(x) for x in expected[2:]]
    assert [float(x) for x in found[2:]] == pytest.approx(rest, rel=0.02)


def test_a_joint_target_is_harder_in_the_engine_too():
    pools = published_pair("opt-13b", Pair(1, 2, 1, 1, 1))
    tight = Target(150, 60)
    both = engine_goodput(pools, DistServe(), LENGTHS, tight._replace(joint=True))
    each = engine_goodput(pools, DistServe(), LENGTHS, tight)
    assert 0 < both <= each
