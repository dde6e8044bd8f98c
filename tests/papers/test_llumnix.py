import math

import numpy as np
import pytest

from hocket.core.registry import paper, policies
from hocket.papers.llumnix import (
    BURSTY,
    LOAD,
    LOADS,
    MEDIUM,
    PAPER,
    SCALED,
    Experiment,
    compared,
    lengths,
    loads,
    priorities,
    scaling,
    serving,
)


def short(count, seed=0, load=LOAD):
    """An experiment of so many requests."""
    return Experiment(count, seed, lambda what: None, load)


def by_name(claims):
    return {claim.name: claim for claim in claims}


@pytest.fixture(scope="module")
def served():
    return by_name(serving(short(3000), MEDIUM))


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def tiny(told):
    return by_name(serving(Experiment(40, 0, told.append), MEDIUM))


def test_the_paper_is_registered_and_its_policies_exist():
    assert paper("llumnix") is PAPER
    assert set(PAPER.policies) <= set(policies("serving"))


def test_the_published_percentiles_come_out_exactly():
    claims = list(lengths())
    assert len(claims) == 3
    for claim in claims:
        assert claim.fidelity == "exact" and claim.holds
        assert claim.measured == claim.published


def test_migration_shortens_queues_and_saves_what_preemptions_cost(served):
    for figure in ("prefill mean", "end-to-end mean"):
        assert served[f"M-M: {figure}, INFaaS++ / Llumnix"].measured > 1
        assert served[f"M-M: {figure}, round robin / Llumnix"].measured > 1
    assert served["M-M: preemption loss, % less than INFaaS++"].measured > 50
    fragmentation = served["M-M: memory lost to fragmentation, INFaaS++ to Llumnix"]
    before, after = (float(part.strip(" %")) for part in fragmentation.measured.split(" to "))
    assert 2 * after < before


def test_downtime_is_a_part_of_a_decode_step(served):
    assert 0 < served["M-M: downtime of a migration in decode steps, P99"].measured < 0.5


def test_requests_of_high_priority_wait_less_and_the_others_hardly_more():
    claims = by_name(priorities(short(2000), BURSTY))
    assert claims["S-S with CV 4: prefill mean of high priority, base / Llumnix"].measured > 2
    assert claims["S-S with CV 4: end-to-end mean of normal priority, % worse"].holds


def test_fewer_replicas_are_held_when_they_scale():
    claims = by_name(scaling(short(600), SCALED))
    assert claims["L-L at 2/s, scaled: replicas held, % fewer than INFaaS++"].measured > 0


def test_nothing_that_rests_on_our_latencies_is_more_than_a_shape(served):
    assert {claim.fidelity for claim in served.values()} == {"shape"}


def test_gains_are_told_beside_the_load_they_hang_on():
    claims = list(loads([short(60, load=load) for load in LOADS], MEDIUM))
    assert len(claims) == 5
    for claim in claims:
        assert claim.name.startswith("M-M at 1.2, 1.56, 1.8 times the published rate")
        assert len(claim.measured.split(", ")) == claim.note.count("%") == len(LOADS)
        assert claim.fidelity == "shape"


def test_a_shape_holds_where_something_became_better():
    assert compared("x", 20.0, 1.01, "").holds
    assert not compared("x", 20.0, 0.99, "").holds


def test_another_seed_draws_another_trace_of_the_same_kind():
    published = [short(2000).cluster(MEDIUM).workload for _ in range(2)]
    drawn = short(2000, seed=1).cluster(MEDIUM).workload
    assert published[0] == published[1] != drawn
    assert drawn.seed is None


def test_progress_counts_every_run(tiny, told):
    assert len(told) == 4 and len(set(told)) == 4


def test_a_run_in_which_nobody_moves_claims_nothing_of_migrations(tiny):
    assert not any("downtime" in name for name in tiny)
    loss = tiny["M-M: preemption loss, % less than INFaaS++"]
    assert loss.measured == "none to lose" and not loss.holds
    assert all(
        isinstance(claim.measured, str) or math.isfinite(np.float64(claim.measured))
        for claim in tiny.values()
    )
