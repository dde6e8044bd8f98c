import numpy as np
import pytest

from hocket.core.registry import paper, policies
from hocket.papers.distserve import CHAT, PAPER, reproduce
from hocket.serving.disaggregation.oracle import CHAT_OUTPUT, CHAT_PROMPT, ORACLE, chat_lengths


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def claims(told):
    found = reproduce(progress=lambda *step: told.append(step))
    assert len({claim.name for claim in found}) == len(found)
    return {claim.name: claim for claim in found}


def test_the_paper_is_registered_and_its_policies_exist():
    assert paper("distserve") is PAPER
    assert set(PAPER.policies) <= set(policies("serving"))


def test_progress_counts_the_parts(claims, told):
    assert [done for done, _, _ in told] == list(range(1, told[0][1] + 1))


def test_all_that_the_authors_code_prints_is_met_exactly(claims):
    exact = [claim for claim in claims.values() if claim.fidelity == "exact"]
    own = [claim for claim in exact if "hocket's engine" not in claim.name]
    assert len(own) >= 12 + 1 + 3 + 8
    assert all(claim.holds and claim.measured == claim.published for claim in own)
    rows = [claim for claim in own if claim.published in _rows()]
    assert len(rows) == 12


def _rows():
    return {row for rates in ORACLE.values() for row in rates.values()}


def test_the_engine_meets_the_colocated_rows_but_for_the_cap(claims):
    rows = [c for c in claims.values() if c.published in _rows() and "hocket's engine" in c.name]
    assert len(rows) == 6
    missed = [claim.name for claim in rows if not claim.holds]
    assert missed == ["opt-66b vllm TP 4 PP 1, 3/s, in hocket's engine"]


def test_only_what_equals_the_authors_code_is_called_exact(claims):
    for claim in claims.values():
        if claim.fidelity == "exact":
            assert "authors' code" in claim.note
        else:
            assert claim.fidelity in ("ratio", "shape")


@pytest.mark.parametrize(
    ("model", "gpus", "holds"), [("opt-13b", 8, False), ("opt-13b", 4, True), ("opt-66b", 8, True)]
)
def test_the_papers_placement_beside_the_best_is_told_for_every_node(claims, model, gpus, holds):
    name = f"{model} chat on 1x{gpus} GPUs: goodput of the paper's placement over the best"
    claim = claims[name]
    assert claim.fidelity == "ratio"
    assert claim.holds is holds is (claim.measured > 0.75)


def test_all_nodes_of_a_paper_are_searched(claims):
    searched = [name for name in claims if "the paper's placement over the best" in name]
    assert len(searched) == sum(len(published.gpus) for published in CHAT) == 3


def test_the_engine_is_near_the_authors_simulator_for_split_placements_too(claims):
    ratios = [claim for name, claim in claims.items() if "mean TPOT over that" in name]
    assert len(ratios) == 6
    for claim in ratios:
        assert claim.fidelity == "ratio" and 1.0 <= claim.measured < 1.08


@pytest.mark.parametrize("model", ["opt-13b", "opt-66b"])
def test_that_split_replicas_serve_less_on_equal_times_is_said_with_what_limits_them(claims, model):
    where = f"{model} chat in hocket's engine"
    claim = claims[f"{where}: split replicas serve more per GPU on equal times"]
    split, equal = (float(part) for part in claim.measured.split(" requests")[0].split(" over "))
    assert claim.holds is (split > equal)
    assert "ample memory" in claim.note and "meet the TTFT" in claim.note


def test_what_does_not_agree_is_said(claims):
    colocated = claims["opt-13b chat: requests per GPU over vLLM's on TP 1 PP 1"]
    assert not colocated.holds and "no rate" in str(colocated.measured)
    assert any("cap of 50,000" in claim.note for claim in claims.values() if not claim.holds)


def test_chat_lengths_have_the_deciles_they_are_drawn_from():
    rows = chat_lengths(20_000, np.random.default_rng(5))
    for column, deciles in zip(rows.T, (CHAT_PROMPT, CHAT_OUTPUT), strict=True):
        found = np.quantile(column, np.linspace(0, 1, 11))
        assert found == pytest.approx(deciles, rel=0.08, abs=3)
    assert abs(np.corrcoef(rows.T)[0, 1]) < 0.03
