import numpy as np
import pytest

from hocket.core.registry import paper, policies
from hocket.papers.eddc_mddc import (
    PAPER,
    RULES,
    SETS,
    UNIFORM_20,
    UNIFORM_500,
    Sample,
    draw,
    reproduce,
    tolerance,
)


@pytest.fixture(scope="module")
def claims():
    return {claim.name: claim for claim in reproduce()}


def test_the_paper_is_registered_and_its_policies_exist():
    assert paper("eddc-mddc") is PAPER
    assert set(PAPER.policies) <= set(policies("shop"))


def test_every_printed_gap_of_the_uniform_sets_is_met_within_its_tolerance(claims):
    for test_set in SETS:
        if test_set.short and test_set.durations != "normal":
            for rule in test_set.gaps:
                claim = claims[f"{test_set.title}: {rule} gap %"]
                assert claim.holds, claim
            assert claims[f"{test_set.title}: mean optimum"].holds
            assert claims[f"{test_set.title}: instances with optimum 0, %"].holds


def test_labels_are_never_stronger_than_ratio(claims):
    assert {claim.fidelity for claim in claims.values()} <= {"ratio", "shape"}


def test_errata_are_shown_as_what_they_are(claims):
    printed = claims["n=20 uniform: EDDC gap % from the printed Algorithm 1"]
    assert not printed.holds and "erratum" in printed.note
    assert printed.measured == claims["n=20 uniform: EDD gap %"].measured


def test_the_normal_set_is_reported_as_it_comes_out(claims):
    # Drawn as the text says; its EDD gap is far from the printed one, and that is what we print.
    assert not claims["n=20 normal: EDD gap %"].holds
    assert claims["n=20 normal: MDD gap %"].fidelity == "ratio"


def test_progress_counts_every_instance():
    seen = []
    small = draw(UNIFORM_20, 1, np.random.default_rng(1), seen.append)
    assert len(seen) == 20 == len(small.optimum)
    assert (small.values["EDD"] >= small.optimum).all()


def test_gaps_leave_out_what_has_no_tardiness():
    sample = Sample(np.array([100, 0, 50]), {"EDD": np.array([110, 7, 100])})
    assert sample.gaps("EDD").tolist() == [10.0, 100.0]
    assert sample.pooled("EDD") == 40.0


def test_the_tolerance_is_three_standard_errors_of_the_difference():
    # Two observations 0 and 2: standard deviation sqrt(2), so 3 sqrt(2) sqrt(1/2 + 1/2).
    assert tolerance(np.array([0.0, 2.0]), 2) == pytest.approx(3 * 2**0.5)


def test_the_500_job_table_cannot_be_as_printed():
    # A few instances suffice: no draw of these classes is near a gap of 48 %.
    from hocket.shop.generate.potts import potts_van_wassenhove
    from hocket.shop.tardiness.decomposition import decompose
    from hocket.shop.tardiness.objective import total_tardiness

    rng = np.random.default_rng(2)
    for rdd in (0.4, 0.6, 0.8):
        p, d = potts_van_wassenhove(500, rdd, 0.8, rng, durations="uniform-100", clip=True)
        optimum = decompose(p, d).value
        gap = 100 * (total_tardiness(RULES["MDDC"](p, d), p, d) / optimum - 1)
        assert gap < 3 * UNIFORM_500.gaps["MDDC"]
