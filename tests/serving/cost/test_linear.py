import pytest

from hocket.serving.cost import Linear, Regime
from hocket.serving.model.cluster import Pool


def test_it_is_the_sum_of_its_parts() -> None:
    model = Linear(
        base=0.01, per_token=1e-4, per_pair=1e-9, per_decode=2e-4, per_context=3e-7
    ).model(Pool())
    chunks = [(1000, 0), (500, 1500)]
    pairs = 1000 * 500 + 500 * (1500 + 250)
    expected = 0.01 + 1500e-4 + pairs * 1e-9 + 7 * 2e-4 + 9000 * 3e-7
    assert model.iteration(chunks, 7, 9000) == pytest.approx(expected)
    assert model.iteration(chunks, 0, 0) == pytest.approx(0.01 + 1500e-4 + pairs * 1e-9)


def test_large_batches_may_have_a_regime_of_their_own() -> None:
    large = Regime(decodes=64, base=0.002, per_decode=4e-4, per_context=5e-7)
    model = Linear(base=0.01, per_decode=1e-4, per_context=1e-7, large=large).model(Pool())
    assert model.decode(63, 1000) == pytest.approx(0.01 + 63e-4 + 1e-4)
    assert model.decode(64, 1000) == pytest.approx(0.002 + 64 * 4e-4 + 5e-4)


def test_iterations_that_take_no_time_are_a_problem() -> None:
    (problem,) = Linear(base=0, per_token=1e-4).problems("cost", Pool())
    assert problem.path == "cost" and "no time" in problem.message
    assert not list(Linear(base=0, per_token=1e-4, per_decode=1e-4).problems("cost", Pool()))
