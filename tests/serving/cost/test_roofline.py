import pytest

from hocket.serving.cost import Roofline
from hocket.serving.model.cluster import Pool

IDEAL = Roofline(
    compute=1.0, attention=1.0, memory=1.0, link=1.0, tile=1, overhead=0, launch=0, sync=0
)
PARAMETERS = 8_030_261_248
EMBEDDING = 128_256 * 4096
NORMS = (2 * 32 + 1) * 4096


def test_a_small_decode_reads_every_weight_once() -> None:
    model = IDEAL.model(Pool(gpu="A100-80GB", model="llama-3.1-8b"))
    read = 2 * (PARAMETERS - EMBEDDING - NORMS) / 2039e9
    assert model.decode(1, 0) == pytest.approx(read, rel=0.002)
    # and each of its keys and values
    assert model.decode(1, 100_000) - model.decode(1, 0) == pytest.approx(
        100_000 * 131_072 / 2039e9
    )


def test_a_long_prompt_computes_two_operations_per_weight_and_token() -> None:
    model = IDEAL.model(Pool(gpu="A100-80GB", model="llama-3.1-8b"))
    weights = PARAMETERS - 2 * EMBEDDING - NORMS
    matrices = 2 * weights * 4096 / 312e12
    attention = 32 * 4 * 4096 * 4096**2 / 2 / 312e12
    head = 2 * EMBEDDING / 2039e9
    small = 4096 * 32 * 2 * (8 * 4096 + 3 * 14336 + 2 * 40 * 128) / 2039e9
    expected = matrices + attention + head + small
    assert model.iteration([(4096, 0)], 0, 0) == pytest.approx(expected, rel=1e-9)


def test_tokens_before_a_chunk_count() -> None:
    model = IDEAL.model(Pool())
    whole = model.iteration([(2048, 0)], 0, 0)
    parts = model.iteration([(1024, 0)], 0, 0) + model.iteration([(1024, 1024)], 0, 0)
    head = model.iteration([(1024, 0)], 0, 0) - model.iteration([(1024, 0)], 0, 0)
    assert parts > whole + head
    pair = 32 * 4 * 4096 / 312e12
    grown = model.iteration([(1024, 1024)], 0, 0) - model.iteration([(1024, 0)], 0, 0)
    assert grown == pytest.approx(1024 * 1024 * pair)


def test_tokens_are_rounded_up_to_tiles_where_arithmetic_binds() -> None:
    tiled = Roofline(tile=128).model(Pool())
    at, over, next_ = (tiled.iteration([(n, 0)], 0, 0) for n in (2048, 2049, 2176))
    assert over - at > 0.8 * (next_ - at)  # the rest grows with attention and small operators
    # reading weights does not care
    assert tiled.decode(2, 0) - tiled.decode(1, 0) < 1e-5


def test_all_reduce_and_shares_of_a_tensor_parallel_group() -> None:
    one, four = (IDEAL.model(Pool(model="llama-3.1-70b", gpu="H100", tp=tp)) for tp in (2, 8))
    assert one.decode(1, 0) == pytest.approx(4 * four.decode(1, 0), rel=0.01)
    # two all-reduces per layer send 2 (tp - 1) / tp of 8192 values of 2 bytes per token
    base = IDEAL.model(Pool(model="llama-3.1-70b", gpu="H100", tp=8))
    slow = Roofline(**{**_fields(IDEAL), "link": 0.5}).model(
        Pool(model="llama-3.1-70b", gpu="H100", tp=8)
    )
    sent = 80 * 2 * 2 * 7 / 8 * 8192 * 2 * 1000 / 450e9
    extra = slow.iteration([(1000, 0)], 0, 0) - base.iteration([(1000, 0)], 0, 0)
    assert extra == pytest.approx(sent)


def test_a_pipeline_stage_takes_its_share() -> None:
    whole, half = (Roofline(overhead=0).model(Pool(pp=pp)) for pp in (1, 2))
    assert whole.decode(8, 8000) == pytest.approx(2 * half.decode(8, 8000))


def test_experts_are_read_as_they_are_visited() -> None:
    pool = Pool(model="mixtral-8x7b", gpu="H100", tp=2)
    model = IDEAL.model(pool)
    expert = 3 * 4096 * 14336 * 32 * 2 / 2 / 3350e9
    # one token visits 2 of 8 experts, two tokens 2 + 2 x 6/8 in the mean
    assert model.decode(2, 0) - model.decode(1, 0) == pytest.approx(1.5 * expert, rel=0.01)


def _fields(config: Roofline) -> dict[str, float]:
    return {name: getattr(config, name) for name in config.__struct_fields__}
