import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.errors import UserError
from hocket.serving.budget import mixed, token_budget
from hocket.serving.cost import Roofline
from hocket.serving.model.cluster import Pool


class Affine:
    """10 ms and 0.1 ms per token; context and decodes as told."""

    def iteration(self, prefill, decodes, context):
        ((chunk, before),) = prefill
        return 0.010 + 1e-4 * (chunk + decodes) + 1e-7 * context + 1e-6 * before


def test_the_closed_form_of_an_affine_cost():
    # 0.010 + 1e-4 tau + 1e-7 * 32 * 4096 <= 0.1 gives tau <= 768.9.
    assert token_budget(Affine(), 0.1) == 768
    assert token_budget(Affine(), 0.1, tile=256) == 768
    assert token_budget(Affine(), 0.1, tile=512) == 512
    assert token_budget(Affine(), 0.1, tile=1) == 768
    assert token_budget(Affine(), 0.2, stages=2) == 768
    assert token_budget(Affine(), 0.1, before=10_000) == 640
    assert token_budget(Affine(), 0.1, most=600) == 512


def test_decodes_and_chunk_together_make_the_budget():
    seen = []

    class Asked:
        def iteration(self, prefill, decodes, context):
            seen.append((prefill, decodes, context))
            return 1.0

    mixed(Asked(), 512, decodes=40, context=100, before=7)
    assert seen == [([(472, 7)], 40, 4000)]


@given(st.floats(0.001, 1), st.integers(0, 300), st.integers(0, 8192))
def test_the_next_larger_budget_would_miss_the_target(gap, decodes, context):
    found = token_budget(Affine(), gap, decodes=decodes, context=context)
    assert found % 128 == 0 and found > decodes
    if found < 8192:
        assert mixed(Affine(), found + 128, decodes=decodes, context=context) > gap


def test_a_target_that_nothing_meets_gives_the_smallest_budget_with_progress():
    assert token_budget(Affine(), 0.001, decodes=10) == 128
    assert token_budget(Affine(), 0.001, decodes=128) == 256


def test_an_impossible_question_is_an_error():
    with pytest.raises(UserError, match="must be above 0"):
        token_budget(Affine(), 0)
    with pytest.raises(UserError, match="more than 512"):
        token_budget(Affine(), 1, decodes=600, most=512)


def test_more_time_never_gives_a_smaller_budget_on_a_real_cost_model():
    cost = Roofline().model(Pool())
    found = [token_budget(cost, gap / 100) for gap in range(1, 60, 4)]
    assert found == sorted(found) and len(set(found)) > 5
