"""The experiment on UWFQ, over one seed and without the windows of the trace."""

from __future__ import annotations

import shutil

import pytest

from hocket.core.registry import paper, policies
from hocket.papers import uwfq
from hocket.papers.uwfq import (
    MACRO,
    MICRO,
    PAPER,
    POLICIES,
    TITLES,
    Played,
    fairness,
    order,
    ratios,
)


@pytest.fixture(scope="module")
def played():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uwfq, "MACRO", MACRO[3:])
        return Played(range(1), range(1), lambda what: None)


def test_the_paper_is_registered_and_its_policies_exist():
    assert paper("uwfq") is PAPER
    assert set(PAPER.policies) <= set(policies("cluster"))


def test_every_published_figure_has_its_policy_and_its_words():
    for table in (*MICRO, *MACRO):
        for what, row in table.rows.items():
            assert {"UJF", "UWFQ"} <= set(row) <= set(POLICIES)
            assert what in TITLES or table.make.case in ("s1", "s2")


def test_a_ratio_holds_within_the_tolerance_and_says_who_is_off(played):
    claim = ratios(played, MICRO[5], "mean_response")
    assert claim.fidelity == "ratio" and claim.holds
    claim = ratios(played, MICRO[6], "mean_response")
    assert claim.published.startswith("Fair 28.11, UJF 29.11, FIFO 25.15, CFQ 43.20")
    assert not claim.holds and "CFQ -33 %" in claim.note


def test_uwfq_serves_light_users_and_violates_few_deadlines(played):
    found = {claim.name: claim for claim in fairness(played)}
    assert len(found) == 5
    for claim in found.values():
        if claim.fidelity == "shape":
            assert claim.holds, claim


def test_an_order_names_pairs_that_stand_the_other_way_round(played):
    table = MACRO[3]
    claim = order(played, table, "response_small")
    assert claim.fidelity == "shape" and claim.holds == ("other way" not in claim.note)
    row = played.row(table, "response_small", ("Fair", "UWFQ"))
    turned = table._replace(rows={"response_small": {"Fair": row["UWFQ"], "UWFQ": row["Fair"]}})
    claim = order(played, turned, "response_small")
    assert not claim.holds and claim.note == "the other way round: Fair and UWFQ"
    near = table._replace(rows={"response_small": {"Fair": 1.0, "UWFQ": 1.04}})
    assert order(played, near, "response_small").holds  # too close to ask for an order


def test_everything_is_counted_and_no_label_is_too_strong(monkeypatch):
    monkeypatch.setattr(uwfq, "MICRO", (*MICRO[:2], MICRO[2], MICRO[3]))
    seen = []

    class Once(Played):
        def __init__(self, seeds, few, tick):
            super().__init__(seeds[:1], few[:1], tick)

    monkeypatch.setattr(uwfq, "Played", Once)
    claims = uwfq.reproduce(progress=lambda done, total, what: seen.append((done, total, what)))
    assert [done for done, _, _ in seen] == list(range(1, len(seen) + 1))
    assert len(seen) == 8 and seen[0][1] == 4 * 5 + 4 * 2
    assert {claim.fidelity for claim in claims} == {"ratio", "shape", "reconstruction"}
    assert len({claim.name for claim in claims}) == len(claims)


@pytest.mark.slow
def test_on_real_spark_the_infrequent_user_waits_least_under_uwfq():
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("there is no Java")
    claim = uwfq.live()
    assert claim.fidelity == "shape" and claim.holds, claim
    assert claim.measured.startswith("FIFO ")
