"""A split placement next to colocated replicas, in hocket's own engine."""

import numpy as np
import pytest

from hocket.serving import catalogue
from hocket.serving.disaggregation.beside import beside_vllm, transfers
from hocket.serving.disaggregation.configurations import Pair, Parallel
from hocket.serving.disaggregation.deploy import (
    NVLINK,
    ample,
    deployed,
    engine_figures,
    published_pair,
)
from hocket.serving.disaggregation.goodput import Target
from hocket.serving.disaggregation.oracle import ROWS
from hocket.serving.policies.distserve import DistServe

PAIR = Pair(1, 2, 1, 1, 1)
LENGTHS = np.array(ROWS[:400])
TARGET = Target(200, 60)


def test_each_side_serves_what_its_gpus_and_times_allow():
    found = beside_vllm("opt-13b", PAIR, Parallel(1, 1), LENGTHS, TARGET, step=0.5)
    assert found.replicas == 3
    assert found.ample >= found.split > 0
    assert found.equal > found.vllm  # the same scheduler on faster times
    pools = published_pair("opt-13b", PAIR)
    figures = engine_figures(pools, DistServe(), LENGTHS, found.split, TARGET)
    assert min(figures["attainment_ttft"], figures["attainment_tpot"]) >= 0.9
    assert min(found.late["attainment_ttft"], found.late["attainment_tpot"]) < 0.9


def test_ample_memory_preempts_nobody():
    rows = np.array([(700, 800)] * 150)
    small = published_pair("opt-13b", PAIR)
    tight, roomy = (
        engine_figures(pools, DistServe(), rows, 4.0, TARGET) for pools in (small, ample(small))
    )
    assert tight["preemptions"] > 0 == roomy["preemptions"]


def test_transfers_take_bytes_over_bandwidth():
    rows = np.array([(512, 20)] * 50)
    cluster = deployed(published_pair("opt-13b", PAIR), rows, 1.0, TARGET)
    seconds = 512 * catalogue.model("opt-13b").kv_bytes / (NVLINK.bandwidth * 1e9)
    share, late = transfers(cluster, round(seconds * 1e6))
    latency = engine_figures(cluster.pools, DistServe(), rows, 1 / 3, TARGET)["e2e_mean"]
    assert share == pytest.approx(seconds / latency, rel=0.02)
    assert late == 1.0
    assert transfers(cluster, round(seconds * 1e6) + 2)[1] == 0.0
