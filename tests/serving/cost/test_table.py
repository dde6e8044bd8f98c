from itertools import product
from math import sqrt

import pytest

from hocket.core.errors import Problem
from hocket.serving.cost import Table
from hocket.serving.model.cluster import Pool
from tests.serving.cost.tables import BEFORES, CHUNKS, CONTEXTS, DECODES, small

POOL = Pool(model="llama-3.1-8b")
REST_64 = 32 * 110e-6 + 5e-6  # 64 tokens through all but attention


def sampling(n: int) -> float:
    return (700 + (n - 1) / 255 * 300) * 1e-6


@pytest.mark.parametrize(("n", "c"), [*product(DECODES, CONTEXTS)])
def test_decodes_at_grid_points(n: int, c: int) -> None:
    tokens = 32 * (100 + (n - 1) / 63 * 10) + 4 + (n - 1) / 63
    attention = 32 * (1 + n * c / 100)
    expected = (tokens + attention) * 1e-6 + sampling(n)
    assert small().model(POOL).decode(n, n * c) == pytest.approx(expected)


@pytest.mark.parametrize(("chunk", "before"), [*product(CHUNKS, BEFORES)])
def test_prompts_at_grid_points(chunk: int, before: int) -> None:
    model = small(layer=(100.0,) * 3, once=(5.0,) * 3).model(POOL)
    attention = 2 + (chunk * before + chunk**2 / 2) / 1000
    expected = (32 * (100 + attention) + 5) * 1e-6 + sampling(1)
    assert model.iteration([(chunk, before)], 0, 0) == pytest.approx(expected)


def test_both_together_are_looked_up_together() -> None:
    model = small(layer=(100.0,) * 3, once=(5.0,) * 3).model(POOL)
    attention = 5 + 4 * 256 / 100 + (128 * 512 + 128**2 / 2) / 1000
    expected = (32 * (100 + attention) + 5) * 1e-6 + sampling(5)
    assert model.iteration([(128, 512)], 4, 4 * 256) == pytest.approx(expected)


def test_without_mixed_times_the_two_are_added() -> None:
    table = small(mixed=(), mixed_decodes=(), mixed_contexts=())
    model = table.model(POOL)
    attention = 1 + 4 * 256 / 100 + 2 + (60 * 512 + 60**2 / 2) / 1000
    found = model.iteration([(60, 512)], 4, 4 * 256)
    # between chunks of 16 and 128 the square is interpolated, which exceeds it
    chord = (16 + 128) / 2 * 60 - 16 * 128 / 2 - 60**2 / 2
    expected = REST_64 + 32e-6 * (attention + chord / 1000) + sampling(5)
    assert found == pytest.approx(expected)


def test_several_chunks_count_as_one_with_as_many_pairs() -> None:
    model = small(mixed=(), layer=(1.0,) * 3).model(POOL)
    chunks = [(64, 100), (64, 100), (48, 1000)]
    one = sqrt(64**2 + 64**2 + 48**2)
    before = (64 * 100 + 64 * 100 + 48 * 1000) / one
    alone = model.iteration([(one, before)], 0, 0)  # type: ignore[list-item]
    together = model.iteration(chunks, 0, 0)
    tokens = (sum(n for n, _ in chunks) - one) * (30 - 5) / (2048 - 64) * 1e-6
    assert together - alone == pytest.approx(tokens + sampling(3) - sampling(1))


def test_a_chunk_beyond_the_grid_counts_as_several() -> None:
    model = small(layer=(1.0,) * 3, once=(1.0,) * 3).model(POOL)
    attention = sum(2 + (1024 * (512 + k * 1024) + 1024**2 / 2) / 1000 for k in range(3))
    found = model.iteration([(3072, 512)], 0, 0)
    rest = model.iteration([(16, 0)], 0, 0) - 32e-6 * (2 + 16**2 / 2000)
    assert found == pytest.approx(rest + 32e-6 * attention)


def test_overhead_is_added_to_every_iteration() -> None:
    with_, without = small(overhead=0.003).model(POOL), small().model(POOL)
    assert with_.decode(3, 300) - without.decode(3, 300) == pytest.approx(0.003)
    chunk = [(100, 0)]
    extra = with_.iteration(chunk, 3, 300) - without.iteration(chunk, 3, 300)
    assert extra == pytest.approx(0.003)


def test_stages_share_and_ranks_reduce() -> None:
    whole, half = small().model(POOL), small().model(Pool(pp=2))
    assert whole.decode(4, 400) == pytest.approx(2 * half.decode(4, 400))
    two = small(tp=2).model(Pool(tp=2, gpu="A100-80GB"))
    reduced = 2 * 32 * (10e-6 + 4 * 4096 * 2 / (300e9 * 0.7))
    assert two.decode(4, 400) - whole.decode(4, 400) == pytest.approx(reduced)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (small(tp=2), Problem("c.tp", "measured at tp 2, not at 1 as the pool asks")),
        (
            small(model_name="llama-2-7b"),
            Problem("c.model_name", "measured for llama-2-7b, not for llama-3.1-8b"
                    " as the pool asks"),
        ),
        (
            small(layer=(1.0, 2.0)),
            Problem("c.layer", "has 2 times instead of 3 (tokens)"),
        ),
        (
            small(decode=(1.0,) * 8),
            Problem("c.decode", "has 8 times instead of 9 (decodes x contexts)"),
        ),
        (small(sampling=(1.0, -1.0)), Problem("c.sampling", "has negative times")),
        (
            small(samples=(256, 1)),
            Problem("c.samples", "must have values that rise, none below 0"),
        ),
    ],
)  # fmt: skip
def test_problems(table: Table, problem: Problem) -> None:
    assert list(table.problems("c", POOL)) == [problem]


def test_a_model_of_the_same_shape_will_do() -> None:
    assert not list(small(model_name="llama-3-8b").problems("c", POOL))
