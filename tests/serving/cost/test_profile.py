import random
from itertools import product
from pathlib import Path

import pytest

from hocket.core.errors import InputError, UnknownName
from hocket.serving.cost.measured import full_grid
from hocket.serving.cost.profile import LAYER, ONCE, load_profile
from hocket.serving.model.cluster import Pool
from tests.data import shared


def written(folder: Path, **changes: str) -> Path:
    """A profile in LLMServingSim's format: every operator of a layer takes 10 us and a token."""
    place = folder / "tp1"
    place.mkdir()
    dense = [f"{name},{t},{10 + t}" for name in (*LAYER, *ONCE) for t in (1, 64, 2048)]
    sequence = [f"{name},{n},{100 + n}" for name in ("lm_head", "sampler") for n in (1, 256)]
    attention = [f"0,0,{n},{c},{n * c}" for n in (1, 8) for c in (16, 1024)]
    attention += [f"{p},{b},0,0,{p + b}" for p in (16, 512) for b in (0, 1024)]
    attention += [
        f"{p},{b},{n},{c},{p + b + n * c}"
        for p, b, n, c in product((16, 512), (0, 1024), (1, 8), (16, 1024))
    ]
    texts = {
        "dense": "\n".join(["layer,tokens,time_us", *dense]),
        "per_sequence": "\n".join(["layer,sequences,time_us", *sequence]),
        "attention": "\n".join(["prefill_chunk,kv_prefill,n_decode,kv_decode,time_us", *attention]),
    } | changes
    for name, text in texts.items():
        if text:
            (place / f"{name}.csv").write_text(text + "\n")
    (folder / "meta.yaml").write_text("model: meta-llama/Llama-3.1-8B\ngpu: a card\n")
    return place


def test_an_iteration_is_composed_of_its_operators(tmp_path: Path) -> None:
    table = load_profile(written(tmp_path))
    assert table.profile == "meta-llama/Llama-3.1-8B, a card"
    assert not list(table.problems("cost", Pool()))
    model = table.model(Pool())
    # seven kinds of operators, one of them twice in each of 32 layers; two more once; then two
    # per request
    tokens, requests = 8 * 32 * (10 + 64) + 2 * (10 + 64), 2 * (100 + 64)
    assert model.decode(64, 64 * 16) == pytest.approx((tokens + requests + 32 * 64 * 16) * 1e-6)
    tokens, requests = 8 * 32 * (10 + 520) + 2 * (10 + 520), 2 * (100 + 9)
    attention = 32 * (512 + 1024 + 8 * 1024)
    assert model.iteration([(512, 1024)], 8, 8 * 1024) == pytest.approx(
        (tokens + requests + attention) * 1e-6
    )


def test_points_outside_the_grid_are_left_out(tmp_path: Path) -> None:
    place = written(tmp_path)
    with (place / "attention.csv").open("a") as file:
        file.write("16,0,256,16,9\n512,0,256,16,9\n24,0,1,16,3\n")
    assert load_profile(place).mixed_decodes == (1, 8)
    assert load_profile(place).chunks == (16, 512)


def test_the_name_of_the_folder_tells_the_degree(tmp_path: Path) -> None:
    place = written(tmp_path)
    other = place.rename(place.parent / "model_tp2")
    assert load_profile(other).tp == 2
    assert load_profile(other, tp=4).tp == 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dense": "layer,tokens,time_us\nqkv_proj,1,2"}, "no rows for layernorm, rotary_emb"),
        ({"dense": "layer,tokens\nqkv_proj,1"}, "line 1: no column time_us"),
        ({"dense": "layer,tokens,time_us\nqkv_proj,1,2\nqkv_proj,x,2"}, "line 3: not a row"),
        ({"dense": "layer,tokens,time_us\nqkv_proj,1"}, "line 2: not a row"),
        ({"dense": "layer,tokens,time_us\nqkv_proj,1,-5"}, "line 2: .*out of range"),
        ({"dense": "layer,tokens,time_us"}, "no rows"),
        ({"per_sequence": ""}, "no such file"),
        (
            {"attention": "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n16,0,0,0,1"},
            "no rows for decodes alone",
        ),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_profile(written(tmp_path, **changes))


def test_a_folder_that_is_no_profile(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither"):
        load_profile(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        load_profile(tmp_path / "nowhere")
    with pytest.raises(UnknownName, match="did you mean"):
        load_profile(written(tmp_path), model="llama-3.1-9b")


def test_a_full_grid_is_found_among_other_points() -> None:
    axes = ((0, 16, 64), (1, 2, 4, 8), (16, 256))
    grid = set(product(*axes))
    assert full_grid(grid) == axes
    others = {(7, 3, 16), (16, 3, 16), (64, 2, 99), (16, 16, 256)}
    assert full_grid(grid | others) == axes
    assert full_grid([]) == ()


@pytest.mark.parametrize("seed", range(20))
def test_a_found_grid_is_always_full(seed: int) -> None:
    rng = random.Random(seed)
    points = {tuple(rng.randrange(6) for _ in range(3)) for _ in range(60)}
    assert set(product(*full_grid(points))) <= points


@pytest.mark.parametrize("card", ["rtx4090", "rtxpro6000"])
def test_measured_profiles_of_llmservingsim(card: str) -> None:
    table = load_profile(shared("serving", "profiles", f"{card}_llama31_8b_tp1"))
    assert not list(table.problems("cost", Pool(model="llama-3.1-8b")))
    assert table.chunks == (16, 32, 64, 128, 256, 512, 1024, 2048)
    assert len(table.mixed) == 8 * 12 * 8 * 11
    model = table.model(Pool())
    # reading 15 GB of weights at 1008 or 1597 GB/s
    least = {"rtx4090": 15.0e9 / 1008e9, "rtxpro6000": 15.0e9 / 1597e9}[card]
    assert least < model.decode(1, 100) < 1.2 * least


def test_a_measured_profile_in_vidurs_format() -> None:
    table = load_profile(shared("serving", "profiles", "a800_llama2_7b_tp1"))
    assert not list(table.problems("cost", Pool(model="llama-2-7b")))
    assert table.layers == 32 and table.mixed == ()
    model = table.model(Pool(model="llama-2-7b"))
    assert 13.2e9 / 2039e9 < model.decode(1, 100) < 2 * 13.2e9 / 2039e9
    longer = model.iteration([(1024, 2048)], 0, 0) - model.iteration([(1024, 0)], 0, 0)
    assert longer == pytest.approx(32 * (0.380 - 0.124) * 1e-3, rel=0.05)
