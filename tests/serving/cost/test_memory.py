import msgspec
import pytest

from hocket.serving import memory
from hocket.serving.model.cluster import Pool

GIB = 2**30


def test_blocks_are_what_weights_and_activations_leave() -> None:
    pool = Pool(gpu="A100-80GB", model="llama-2-7b")
    weights = 6_738_415_616 * 2
    left = int(79.15 * GIB) * 0.9 - weights - memory.reserve_bytes(pool)
    assert memory.blocks(pool) == int(left // (16 * 524_288))


def test_the_reserve_is_what_engines_report() -> None:
    # vLLM's start-up logs: "PyTorch activation peak memory takes 1.20GiB", 0.05 to 0.11 non-torch
    assert memory.reserve_bytes(Pool(model="llama-3.1-8b")) / GIB == pytest.approx(1.30, abs=0.05)
    # the same for Qwen2.5-1.5B: 1.40 and 0.08
    assert memory.reserve_bytes(Pool(model="qwen2.5-1.5b")) / GIB == pytest.approx(1.48, abs=0.05)


@pytest.mark.parametrize(
    ("gpu", "model", "tp", "published", "off"),
    [
        # Sun et al., Llumnix, OSDI 2024, section 6.1: 851 blocks
        ("A10", "llama-7b", 1, 851 * 16, 0.06),
        # what vLLM 0.19 allotted in the measured run of LLMServingSim on this card
        ("RTX 4090", "llama-3.1-8b", 1, 2588 * 16, 0.04),
        # DistServe's max_num_tokens.csv, of an engine without a sampler that sorts
        ("A100-80GB", "opt-13b", 1, 66144, 0.08),
        ("A100-80GB", "opt-13b", 2, 163008, 0.08),
        ("A100-80GB", "opt-66b", 4, 78496, 0.08),
        ("A100-80GB", "opt-66b", 8, 212304, 0.08),
    ],
)
def test_blocks_near_what_engines_allotted(
    gpu: str, model: str, tp: int, published: int, off: float
) -> None:
    pool = Pool(gpu=gpu, model=model, tp=tp)
    assert memory.blocks(pool) * 16 == pytest.approx(published, rel=off)


def test_given_blocks_count_more() -> None:
    pool = Pool(model="opt-175b", kv_blocks=100, max_context=None)
    assert memory.blocks(pool) == 100
    assert memory.max_context(pool) == 1600
    assert list(memory.problems("pools[0]", pool)) == []


def test_ranks_share_the_blocks_until_they_outnumber_the_heads() -> None:
    small = Pool(model="qwen2.5-0.5b")  # 2 key-value heads
    one, two = memory.blocks(small), memory.blocks(msgspec.structs.replace(small, tp=2))
    assert two > 1.9 * one
    assert memory.block_bytes(small) == 16 * 2 * 24 * 2 * 64 * 2


def test_what_does_not_fit_is_told_in_gib() -> None:
    pool = Pool(gpu="RTX 4090", model="llama-2-13b")
    (problem,) = memory.problems("pools[0]", pool)
    assert problem.path == "pools[0].gpu"
    # 13.016e9 x 2 bytes are 24.2 GiB, of 21.2 GiB there are
    assert "weights take 24.2" in problem.message
    assert "3.5 GiB too much" in problem.message
    assert memory.blocks(pool) == 0


def test_unknown_names_are_problems_of_their_fields() -> None:
    pool = Pool(gpu="A1000", model="llama-9")
    found = {problem.path: problem.message for problem in memory.problems("p", pool)}
    assert set(found) == {"p.gpu", "p.model"}
    assert all("did you mean" in message for message in found.values())


def test_degrees_must_divide() -> None:
    pool = Pool(model="llama-3.1-8b", tp=3, pp=5)
    paths = [problem.path for problem in memory.problems("p", pool)]
    assert paths == ["p.tp", "p.pp"]


def test_no_context_beyond_positions_that_were_learned() -> None:
    (problem,) = memory.problems("p", Pool(model="opt-13b", max_context=4096))
    assert problem.path == "p.max_context"
    assert "learned 2048 positions" in problem.message
    assert memory.max_context(Pool(model="opt-13b")) == 2048
    assert not list(memory.problems("p", Pool(model="opt-13b", max_context=2048)))


def test_rotary_models_serve_more_positions_only_when_asked() -> None:
    assert memory.max_context(Pool(model="llama-7b")) == 2048
    longer = Pool(model="llama-7b", max_context=8192)
    assert not list(memory.problems("p", longer))
    assert memory.max_context(longer) == 8192
    more = memory.reserve_bytes(longer) - memory.reserve_bytes(Pool(model="llama-7b"))
    assert more == (8192 - 2048) * 128 * 2  # the angles of these positions
