from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest

from hocket.core.errors import MissingExtra, NotApplicable, UnknownName
from hocket.serving.cost import aiconfigurator
from hocket.serving.cost.aiconfigurator import load_aiconfigurator
from hocket.serving.cost.profile import load_profile
from hocket.serving.model.cluster import Pool
from tests.data import shared

HEADS = {"num_heads": 32, "num_key_value_heads": 8, "head_dim": 128}
PLAIN = HEADS | {"attn_dtype": "bfloat16", "kv_cache_dtype": "bfloat16", "beam_width": 1}
SIZES = (1024, 4096, 16384, 131072)


def gemm(m: int, n: int, k: int) -> float:
    """Milliseconds of a matrix product by a made-up rule."""
    return (n * k + m * n + m * k) * 1e-9


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tables in the package's layout, whose times follow simple rules."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    data = tmp_path / "systems" / "data" / "h100_sxm"
    rows: dict[str, list[dict[str, object]]] = {
        "gemm/vllm/0.9.0/gemm_perf": [{"gemm_dtype": "bfloat16", "m": 1, "n": 1, "k": 1}],
        "gemm/vllm/0.24.0/gemm_perf": [
            {"gemm_dtype": kind, "m": m, "n": n, "k": k, "latency": gemm(m, n, k) / shrink}
            for kind, shrink in (("bfloat16", 1), ("fp8", 2))
            for m, n, k in product((1, 64, 2048, 32768), SIZES, SIZES)
        ],
        "attention/vllm/0.24.0/context_attention_perf": [
            PLAIN
            | {"batch_size": b, "isl": s, "step": 0, "window_size": w, "latency": s * 1e-5 * b}
            for b, s, w in product((1, 2), (16, 1024, 16384), (0, 128))
        ],
        "attention/vllm/0.24.0/generation_attention_perf": [
            PLAIN | {"batch_size": b, "step": s, "window_size": 0, "latency": b * (s + 1) * 1e-6}
            for b, s in product((1, 16, 256), (15, 1023, 16383))
        ],
    }  # fmt: skip
    for name, table in rows.items():
        path = data / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.Table.from_pylist(table), path)
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(aiconfigurator, "find_spec", lambda name: spec)
    return data


def test_a_model_is_put_together_of_its_matrix_products(package: Path) -> None:
    table = load_aiconfigurator("llama-3.1-8b", "H100")
    assert table.profile == "AIConfigurator, vllm 0.24.0, H100"
    assert not list(table.problems("cost", Pool(gpu="H100")))
    matrices = ((6144, 4096), (4096, 4096), (28672, 4096), (4096, 14336))
    products = sum(gemm(64, n, k) for n, k in matrices) * 1e3
    values = 8 * 4096 + 3 * 14336 + 2 * 6144
    small = 4 * 3.0 + 64 * values * 2 / (3350e9 * 0.8) * 1e6
    assert table.layer[table.tokens.index(64)] == pytest.approx(products + small, abs=3e-3)
    assert table.sampling[table.samples.index(64)] == pytest.approx(gemm(64, 128256, 4096) * 1e3)
    cost = table.model(Pool(gpu="H100"))
    per_layer = cost.decode(16, 16 * 1024) - cost.decode(16, 16 * 16)
    assert per_layer == pytest.approx(32 * 16 * (1024 - 16) * 1e-9)


def test_attention_of_chunks_is_a_difference(package: Path) -> None:
    table = load_aiconfigurator("llama-3.1-8b", "H100")
    at = table.chunks.index(1024) * len(table.befores)
    alone, later = table.prompt[at], table.prompt[at + table.befores.index(4096)]
    assert alone == pytest.approx(10.24)
    assert later == pytest.approx(10.24 + 0.16)  # a linear rule has no more pairs, but it starts


@pytest.mark.parametrize(
    ("model", "gpu", "engine", "error", "said"),
    [
        ("llama-3.1-8b", "A10", "vllm", NotApplicable, "no tables of A10"),
        ("mixtral-8x7b", "H100", "vllm", NotApplicable, "experts"),
        ("llama-2-7b", "H100", "vllm", NotApplicable, "num_key_value_heads 32"),
        ("llama-3.1-8b", "H100", "sglang", NotApplicable, "no tables at"),
        ("llama-3.1-8b", "H200", "vllm", NotApplicable, "no tables at"),
        ("llama-3.1-8b", "H100", "vlm", UnknownName, "vllm"),
    ],
)
def test_what_was_not_measured_is_told(
    package: Path, model: str, gpu: str, engine: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        load_aiconfigurator(model, gpu, engine=engine)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiconfigurator, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"hocket\[aiconfigurator\]"):
        load_aiconfigurator("llama-3.1-8b", "H100")


def test_the_real_tables_agree_with_another_profiler() -> None:
    if not aiconfigurator.available():
        pytest.skip("aiconfigurator-core is not installed")
    pool = Pool(gpu="RTX PRO 6000", model="llama-3.1-8b")
    there = load_profile(shared("serving", "profiles", "rtxpro6000_llama31_8b_tp1")).model(pool)
    here = load_aiconfigurator("llama-3.1-8b", "RTX PRO 6000").model(pool)
    for chunks, decodes, context in (
        ([], 1, 1000),
        ([], 128, 200_000),
        ([(1024, 0)], 0, 0),
        ([(2048, 4096)], 0, 0),
        ([(1984, 0)], 64, 64_000),
    ):
        seconds = here.iteration(chunks, decodes, context)
        assert seconds == pytest.approx(there.iteration(chunks, decodes, context), rel=0.1)
