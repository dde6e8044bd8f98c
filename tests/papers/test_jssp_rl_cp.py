import numpy as np
import pytest

from hocket.core.registry import paper, policies
from hocket.papers import jssp_rl_cp
from hocket.papers.jssp_rl_cp import (
    CP,
    FAMILIES,
    LARGEST,
    PAPER,
    POINTS,
    Contest,
    Found,
    cp_sat,
    reproduce,
)
from hocket.shop.generate import bounds
from hocket.shop.neural_cp import released
from hocket.shop.search import Shop
from tests.data import shared

pytest.importorskip("ortools")


@pytest.fixture(scope="module")
def claims():
    """A smaller short version: two instances, few samples, no time for the solver."""
    with pytest.MonkeyPatch.context() as patch:
        family = FAMILIES[0]
        patch.setattr(
            jssp_rl_cp,
            "FAMILIES",
            (jssp_rl_cp.Family(family.title, ("ta01", "ta02"), 31.3, 15.5, {"SPT": 25.9}),),
        )
        patch.setattr(jssp_rl_cp, "SAMPLES", 2)
        patch.setattr(jssp_rl_cp, "BEST", "best of 2")
        patch.setattr(jssp_rl_cp, "LEAST", 0.05)
        patch.setattr(jssp_rl_cp, "_others", lambda full: {})
        seen = []
        found = reproduce(progress=lambda done, total, what: seen.append((done, total)))
        assert seen == [(i, 5) for i in range(1, 6)]
    return {claim.name: claim for claim in found}


def test_the_paper_is_registered_and_its_policies_exist():
    assert paper("jssp-rl-cp") is PAPER
    assert set(PAPER.policies) <= set(policies("shop"))


def test_every_family_is_there_and_has_bounds():
    names = [name for family in FAMILIES for name in family.names]
    assert len(names) == len(set(names)) == 160
    assert all(bounds(name) is not None for name in names)
    assert tuple(f"ta{i}" for i in range(51, 81)) == LARGEST


def test_rules_are_labelled_exact_and_hocket_s_own_weights_a_reconstruction(claims):
    labels = {claim.name: claim.fidelity for claim in claims.values()}
    assert labels["ta 15x15: SPT, gap %"] == "exact"
    assert labels["ta 15x15: neural-cp, best of 2, gap %"] == "reconstruction"
    assert labels["ta 15x15: CP-SAT, same time, gap %"] == "shape"


def test_the_findings_are_shown_plainly(claims):
    best = "neural-cp, best of 2"
    survives = claims[f"2 large instances: {best}, minus CP-SAT, points"]
    assert survives.published == "below 0 (very large instances)"
    assert "no warm start" in survives.note
    assert f"all 4 instances: {best}, minus MWR randomised, points" in claims
    assert claims["10x100: neural-cp, best of 2, over the best of four rules"].published == 1.026


def test_without_the_authors_checkpoint_nothing_is_claimed_of_it(claims):
    assert not any("released" in name for name in claims)


def test_gaps_are_to_the_best_known_makespan():
    found = Found("ta01", {"SPT": 1462, CP: 1231}, 1.0)
    assert found.gap(CP) == 0
    assert found.gap("SPT") == pytest.approx(100 * 231 / 1231)


def test_claims_hold_if_the_mean_is_below_zero_and_findings_if_the_interval_is():
    claim = jssp_rl_cp._below("a minus b", np.array([-2.0, -1.0, 0.5]), "below 0", "why")
    assert claim.holds and "3 instances; why" in claim.note
    mean, rest = claim.measured.split(" ", 1)  # with t = 4.303 for two degrees of freedom
    half = 4.303 * np.std([-2.0, -1.0, 0.5], ddof=1) / 3**0.5
    assert mean == "-0.8" and rest == f"[{-2.5 / 3 - half:.1f}, {-2.5 / 3 + half:.1f}]"
    assert not jssp_rl_cp._below("a minus b", np.array([1.0, -0.5]), "below 0", "").holds
    assert not jssp_rl_cp._below("a minus b", np.array([-2.0, -1.0, 0.5]), None, "").holds
    assert jssp_rl_cp._below("a minus b", np.array([-2.0, -2.1, -1.9]), None, "").holds


def test_the_solver_gets_no_help_but_its_time():
    shop = Shop.of([[(0, 3), (1, 2)], [(1, 4), (0, 1)]], release=[0, 5])
    assert cp_sat(shop, 5.0) == 10


def test_the_released_weights_meet_their_points_to_the_digit(monkeypatch):
    checkpoint = shared("shop", "rl_cp", "checkpoint.pt")
    pytest.importorskip("torch")
    monkeypatch.setattr(jssp_rl_cp, "CHECKPOINT", checkpoint)
    contest = Contest({jssp_rl_cp.THEIRS: released.read(checkpoint)})
    monkeypatch.setattr(jssp_rl_cp, "POINTS", {"ta01": POINTS["ta01"], "ta02": 1})
    right, wrong = jssp_rl_cp._points(contest)
    assert right.holds and right.measured == 1566 and right.fidelity == "exact"
    assert not wrong.holds
