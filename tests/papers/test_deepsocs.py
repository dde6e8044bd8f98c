"""The experiment on DeepSoCS, over few seeds."""

import pytest

from hocket.core.registry import paper, policies
from hocket.papers import deepsocs
from hocket.papers.deepsocs import MAIN, PAPER, POLICIES, SETTINGS, reproduce, wanted


@pytest.fixture(scope="module")
def claims():
    return {claim.name: claim for claim in reproduce()}


def test_the_paper_is_registered_and_its_policies_exist():
    assert paper("deepsocs") is PAPER
    assert set(PAPER.policies) <= set(policies("taskgraph"))


def test_heuristics_are_those_of_the_authors_code(claims):
    compared = [c for c in claims.values() if c.name.endswith(("latency (us)", "completed"))]
    assert len(compared) == 14
    for claim in compared:
        assert claim.fidelity == "ratio" and claim.holds, claim


def test_deepsocs_beats_heft_rt_and_its_order_is_worth_something(claims):
    for name, claim in claims.items():
        if "DeepSoCS" in name and "less ETF" not in name:
            assert claim.holds, claim


def test_deepsocs_does_not_beat_etf_without_noise_and_the_table_says_so(claims):
    (claim,) = [c for name, c in claims.items() if "DeepSoCS less ETF" in name]
    assert not claim.holds and claim.published is None


def test_neural_list_scheduling_beats_etf_in_every_setting(claims):
    compared = [c for c in claims.values() if "neural" in c.name]
    assert len(compared) == len(SETTINGS)
    for claim in compared:
        assert claim.holds and claim.published is None, claim


def test_no_label_is_stronger_than_ratio(claims):
    assert {claim.fidelity for claim in claims.values()} == {"ratio", "shape"}


def test_every_figure_has_its_policy():
    for setting in SETTINGS:
        assert set(setting.reference) <= set(wanted(setting)) <= set(POLICIES)
    assert "released DeepSoCS" in wanted(MAIN)


def test_progress_counts_everything_that_is_played(monkeypatch):
    monkeypatch.setattr(deepsocs, "SETTINGS", (MAIN,))
    seen = []
    played = deepsocs.Played(range(1), seen.append)
    assert len(seen) == len(wanted(MAIN)) == len(played.latency)
