"""What all cost models have in common."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.cost import (
    Constant,
    CostConfig,
    DistServe,
    Linear,
    Regime,
    Roofline,
)
from hocket.serving.model.cluster import Pool
from tests.serving.cost.tables import small

LARGE = Regime(decodes=64, base=0.001, per_decode=3.1e-4, per_context=1.3e-7)
CONFIGS: dict[str, CostConfig] = {
    "constant": Constant(seconds=0.013),
    "roofline": Roofline(),
    "linear": Linear(
        base=0.017, per_token=9e-5, per_pair=1e-9, per_decode=1e-4, per_context=1e-7, large=LARGE
    ),
    "distserve": DistServe(
        prefill=(18.1, 0.102, 7.1e-6), small=(19.9, 6.3e-4, 0.0385), large=(7.17, 5.8e-4, 0.158)
    ),
    "table": small(),
    "table without mixed": small(mixed=(), mixed_decodes=(), mixed_contexts=()),
}
CONFIG = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
POOL = Pool()
CHUNK = st.tuples(st.integers(1, 3000), st.integers(0, 20_000))


@CONFIG
@given(decodes=st.integers(1, 600), context=st.integers(0, 2_000_000), steps=st.integers(1, 40))
def test_a_run_of_decodes_is_bit_for_bit_decode_after_decode(
    config: CostConfig, decodes: int, context: int, steps: int
) -> None:
    model = config.model(POOL)
    run = model.decode_run(decodes, context, steps)
    assert run.dtype == np.float64 and run.shape == (steps,)
    assert run.tolist() == [model.decode(decodes, context + j * decodes) for j in range(steps)]


@CONFIG
@given(decodes=st.integers(1, 600), context=st.integers(0, 2_000_000))
def test_an_iteration_without_prompts_is_a_decode(
    config: CostConfig, decodes: int, context: int
) -> None:
    model = config.model(POOL)
    assert model.iteration((), decodes, context) == model.decode(decodes, context)


@CONFIG
@given(
    chunks=st.lists(CHUNK, min_size=1, max_size=5),
    decodes=st.integers(0, 300),
    mean=st.integers(1, 4000),
)
def test_iterations_take_time_and_no_order_matters(
    config: CostConfig, chunks: list[tuple[int, int]], decodes: int, mean: int
) -> None:
    model = config.model(POOL)
    seconds = model.iteration(chunks, decodes, decodes * mean)
    assert 0 < seconds < float("inf")
    assert model.iteration(chunks[::-1], decodes, decodes * mean) == pytest.approx(seconds)


@CONFIG
def test_more_work_takes_no_less(config: CostConfig) -> None:
    model = config.model(POOL)
    for decodes, context in ((1, 100), (16, 20_000), (200, 300_000)):
        at = model.decode(decodes, context)
        assert model.decode(decodes, 2 * context) >= at
        assert model.iteration([(256, 0)], decodes, context) >= at
        short, long = ([(n, 0)] for n in (512, 1024))
        assert model.iteration(long, decodes, context) >= model.iteration(short, decodes, context)


@CONFIG
def test_configurations_survive_being_written(config: CostConfig) -> None:
    assert msgspec.json.decode(msgspec.json.encode(config), type=CostConfig) == config


@CONFIG
def test_sound_configurations_have_no_problems(config: CostConfig) -> None:
    assert list(config.problems("cost", POOL)) == []


def test_a_name_no_model_has_is_left_to_the_memory_to_report() -> None:
    pool = Pool(model="llama-9", gpu="B9000")
    for config in CONFIGS.values():
        assert list(config.problems("cost", pool)) == []


def test_a_kind_that_is_not_there_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="kind"):
        msgspec.convert({"kind": "oracle"}, CostConfig)
