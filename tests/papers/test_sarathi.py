import math
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pytest

from hocket.core.registry import paper, policies
from hocket.papers.sarathi import (
    FALCON,
    MISTRAL,
    PAPER,
    YI,
    Experiment,
    chat_lengths,
    drawn_lengths,
    reproduce,
    systems,
    truncated,
    within,
)
from tests.data import shared


@pytest.fixture(scope="module")
def claims():
    return {claim.name: claim for claim in reproduce()}


def test_the_paper_is_registered_and_its_policies_exist():
    assert paper("sarathi") is PAPER
    assert set(PAPER.policies) <= set(policies("serving"))


def test_published_gains_in_capacity_are_met_within_the_tolerance(claims):
    compared = [c for c in claims.values() if "capacity over" in c.name and c.published]
    assert len(compared) == 5
    for claim in compared:
        assert claim.fidelity == "ratio" and claim.holds, claim


def test_a_strict_target_needs_stall_free_batching_more_than_a_relaxed_one(claims):
    for title in ("Mistral-7B", "Yi-34B TP2"):
        strict, relaxed = (
            claims[f"{title}, {target}: capacity over vLLM"].measured
            for target in ("strict", "relaxed")
        )
        assert strict > relaxed > 1


def test_the_ablation_orders_the_variants_as_table_4_does(claims):
    for name, claim in claims.items():
        if name.startswith("ablation"):
            assert (claim.measured > 1) is (claim.published > 1), claim
            assert claim.holds, claim


def test_no_label_is_stronger_than_ratio_and_nothing_is_claimed_of_what_was_not_printed(claims):
    assert {claim.fidelity for claim in claims.values()} <= {"ratio", "shape"}
    assert claims["Mistral-7B, relaxed: capacity over vLLM"].fidelity == "shape"


def test_within_is_symmetric_in_the_factor_and_minds_the_direction():
    assert within(3.0, 2.0) and within(4 / 3, 2.0)
    assert not within(0.95, 1.2) and not within(1.05, 0.9)
    assert not within(3.01, 2.0) and not within(1.33, 2.0) and not within(2.0, None)


def test_the_cut_lognormal_has_the_quantiles_that_it_was_fitted_to():
    mu, sigma = truncated(1730, 5696, 7777)
    normal = NormalDist()
    below = {x: normal.cdf((math.log(x) - mu) / sigma) for x in (1730, 5696, 7777)}
    assert below[1730] / below[7777] == pytest.approx(0.5)
    assert below[5696] / below[7777] == pytest.approx(0.9)


def test_drawn_lengths_have_the_published_quantiles_and_total():
    lengths = drawn_lengths(0)
    prompt, output = np.array(lengths.prompt), np.array(lengths.output)
    assert len(prompt) == 30_731 and (prompt + output).max() <= 8192
    assert np.percentile(prompt, [50, 90]) == pytest.approx([1730, 5696], rel=0.03)
    assert np.percentile(output, [50, 90]) == pytest.approx([415, 834], rel=0.03)
    assert prompt.std() == pytest.approx(2088, rel=0.05)  # not fitted
    assert drawn_lengths(0) == lengths and drawn_lengths(1) != lengths


def test_the_published_trace_is_used_when_it_is_at_hand(monkeypatch):
    monkeypatch.chdir(shared("serving", "sharegpt_8k_lengths.csv").parent)
    lengths, source = chat_lengths(0)
    prompt, output = np.array(lengths.prompt), np.array(lengths.output)
    assert np.percentile(prompt, [50, 90]).round().tolist() == [1730, 5696]
    assert np.percentile(output, [50, 90]).round().tolist() == [415, 834]
    assert "published trace" in source
    monkeypatch.chdir("/")
    assert "drawn" in chat_lengths(0)[1]


def test_every_system_runs_as_the_authors_ran_it():
    for deployment in (MISTRAL, YI, FALCON):
        strict, relaxed = systems(deployment, "strict"), systems(deployment, "relaxed")
        assert strict["Sarathi-Serve"]["tokens"] == 512
        assert relaxed["Sarathi-Serve"]["tokens"] == 2048
        assert strict["Orca"]["seqs"] == (8 if deployment is FALCON else 16)


def test_a_pipeline_gains_too():
    experiment = Experiment(drawn_lengths(0), "", 200, 0)
    of = systems(FALCON, "strict")
    ours, theirs = (
        experiment.metrics(FALCON, of[name], 0.8, 200, 0) for name in ("Sarathi-Serve", "vLLM")
    )
    assert ours["tbt_p99"] < 1.0 < theirs["tbt_p99"]


def test_larger_budgets_leave_the_stages_of_a_pipeline_idle_for_longer():
    told = []
    claim = Experiment(drawn_lengths(0), "", 200, 0).bubbles(FALCON, told.append)
    strict, relaxed = (float(part.strip(" %")) for part in claim.measured.split(" and "))
    assert claim.holds and 0 < strict < relaxed < 100
    assert claim.published is None and claim.fidelity == "shape"
    assert len(told) == 2


@pytest.mark.parametrize(("full", "total"), [(False, 13), (True, 19)])
def test_progress_counts_every_search(monkeypatch, full, total):
    figures = {"tbt_p99": 1.0, "queueing_p50": 1.0, "ttft_p50": 1.0, "makespan": 1.0}
    played = SimpleNamespace(metrics=figures, timeline=SimpleNamespace(tallies=lambda name: []))
    monkeypatch.setattr(Experiment, "play", lambda *args: played)
    seen = []
    reproduce(full=full, progress=lambda done, total, what: seen.append((done, total)))
    assert seen == [(i + 1, total) for i in range(total)]
