"""Operator times from the tables of NVIDIA's AIConfigurator, where that is installed.

The package ``aiconfigurator-core`` (Apache-2.0) holds times of matrix products and attention that
were measured on data-centre GPUs, over shapes and not over models, so that they can be put together
for any dense model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hocket.core.errors import MissingExtra, NotApplicable, UnknownName
from hocket.core.extras import need
from hocket.serving import catalogue
from hocket.serving.cost import measured
from hocket.serving.cost.curve import Curve, Surface
from hocket.serving.cost.table import Table

EXTRA, PACKAGE = "aiconfigurator", "aiconfigurator_core"
ENGINES = ("vllm", "sglang", "trtllm")
SYSTEMS = {
    "A100-40GB": "a100_sxm",
    "A100-80GB": "a100_sxm",
    "H100": "h100_sxm",
    "H200": "h200_sxm",
    "L40S": "l40s",
    "RTX PRO 6000": "rtx_pro_6000_server",
}
"""Folders of the package's tables by GPUs of the catalogue."""
BEFORES = (0, 128, 512, 1024, 2048, 4096, 8192, 16384)
SMALL = 4  # small operators of a layer: two norms, rotation, activation
SMALL_US = 3.0  # that one takes at least, as AIConfigurator assumes
SMALL_BANDWIDTH = 0.8  # share of the memory's bandwidth that they reach, likewise


def available() -> bool:
    """Whether the package is installed."""
    return find_spec(PACKAGE) is not None


def load_aiconfigurator(model: str, gpu: str, tp: int = 1, engine: str = "vllm") -> Table:
    """The times of a dense model on a GPU, in the newest version of an engine there is.

    - `gpu`: A100, H100, H200, L40S or RTX PRO 6000, by their names in the catalogue
    - `engine`: whose kernels: ``vllm``, ``sglang`` or ``trtllm``

    Matrix products are linear between the measured shapes. Attention of a chunk of c tokens after b
    others is that of b + c less that of b, which has as many pairs. The small operators between are
    not in the tables: they take 3 us each, and the time to read and write.

    Raises MissingExtra, UnknownName, and NotApplicable for what was not measured.
    """
    shape, card = catalogue.model(model), catalogue.gpu(gpu)
    if card.name not in SYSTEMS:
        known = ", ".join(SYSTEMS)
        raise NotApplicable(f"AIConfigurator has no tables of {card.name}; it has of {known}")
    if shape.experts:
        raise NotApplicable(f"{shape.name} has experts; only dense models are put together")
    if engine not in ENGINES:
        raise UnknownName("engine", engine, ENGINES)
    place = _tables(SYSTEMS[card.name])
    folder, version = _newest(place / "gemm" / engine)
    product = _products(folder / "gemm_perf.parquet")
    heads, ranks = shape.heads // tp, max(1, shape.kv_heads // tp)
    attention, _ = _newest(place / "attention" / engine)
    heads_of = {"num_heads": heads, "num_key_value_heads": ranks, "head_dim": shape.head_dim}
    decodes, contexts, decode = _decode(attention, heads_of)
    chunks, prompt = _prompt(attention, heads_of)
    tokens = tuple(m for m in product.axes[0] if m <= 16384)
    wide, up = shape.intermediate / tp, 2 if shape.gated else 1
    keys = (heads + 2 * ranks) * shape.head_dim
    matrices = (
        (keys, shape.hidden),
        (shape.hidden, heads * shape.head_dim),
        (up * wide, shape.hidden),
        (shape.hidden, wide),
    )
    values = 8 * shape.hidden + (up + 1) * wide + 2 * keys
    per_token = values * shape.dtype_bytes / (card.bandwidth * SMALL_BANDWIDTH * 1e9) * 1e6
    layer = [
        sum(product((m, n, k)) for n, k in matrices) + SMALL * SMALL_US + m * per_token
        for m in tokens
    ]
    samples = tuple(m for m in tokens if m <= 2048)
    head = [product((m, shape.vocab / tp, shape.hidden)) for m in samples]
    return Table(
        profile=f"AIConfigurator, {engine} {version}, {card.name}",
        model_name=shape.name,
        tp=tp,
        layers=shape.layers,
        tokens=tuple(int(m) for m in tokens),
        layer=_rounded(layer),
        once=(2 * SMALL_US,) * len(tokens),
        samples=tuple(int(m) for m in samples),
        sampling=_rounded(head),
        decodes=decodes,
        contexts=contexts,
        decode=decode,
        chunks=chunks,
        befores=BEFORES,
        prompt=prompt,
    )


def _tables(system: str) -> Path:
    """The folder of a GPU's tables. Raises MissingExtra. The package itself is not imported."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(EXTRA, PACKAGE)
    place = Path(spec.submodule_search_locations[0]) / "systems" / "data" / system
    if not place.is_dir():
        raise NotApplicable(f"this version of AIConfigurator has no tables at {place}")
    return place


def _newest(place: Path) -> tuple[Path, str]:
    """The folder of the newest version, and its name."""
    if not place.is_dir():
        raise NotApplicable(f"this version of AIConfigurator has no tables at {place}")

    def key(folder: Path) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", folder.name)]

    found = max((folder for folder in place.iterdir() if folder.is_dir()), key=key)
    return found, found.name


def _rows(path: Path, names: Sequence[str], where: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The columns `names` and ``latency``, in microseconds, of the rows that `where` selects."""
    parquet = need("pyarrow.parquet", EXTRA)
    there = parquet.read_schema(path).names
    filters = [(name, "=", value) for name, value in where.items() if name in there]
    table = parquet.read_table(path, columns=[*names, "latency"], filters=filters)
    columns = [table.column(name).to_pylist() for name in (*names, "latency")]
    return [(*row[:-1], row[-1] * 1e3) for row in zip(*columns, strict=True)]


def _products(path: Path) -> Surface:
    """Microseconds of a matrix product in bf16 of m tokens, n columns out, k in."""
    rows = _rows(path, ("m", "n", "k"), {"gemm_dtype": "bfloat16"})
    at = measured.mean_of((row[:3], row[3]) for row in rows)
    axes = measured.full_grid(at)
    return Surface(axes, measured.values(at, axes))


_PLAIN = {"attn_dtype": "bfloat16", "kv_cache_dtype": "bfloat16", "window_size": 0, "beam_width": 1}


def _decode(
    folder: Path, heads: dict[str, int]
) -> tuple[measured.Axis, measured.Axis, tuple[float, ...]]:
    """Decodes, contexts and microseconds of the attention of requests that decode."""
    path = folder / "generation_attention_perf.parquet"
    rows = _rows(path, ("batch_size", "step"), _PLAIN | heads)
    _require(rows, "decode", heads)
    at = measured.mean_of(((n, step + 1), time) for n, step, time in rows)
    axes = measured.full_grid(at)
    return axes[0], axes[1], measured.values(at, axes)


def _prompt(folder: Path, heads: dict[str, int]) -> tuple[measured.Axis, tuple[float, ...]]:
    """Chunks, and microseconds of the attention of each after `BEFORES`."""
    path = folder / "context_attention_perf.parquet"
    rows = _rows(path, ("isl",), _PLAIN | heads | {"batch_size": 1, "step": 0})
    _require(rows, "prompts", heads)
    at = measured.mean_of(((length,), time) for length, time in rows)
    chunks = tuple(sorted(length for (length,) in at))
    whole = Curve(chunks, [at[length,] for length in chunks])
    least = whole(chunks[0])
    times = [
        whole(chunk) if not before else max(least, whole(before + chunk) - whole(before) + least)
        for chunk in chunks
        for before in BEFORES
    ]
    return chunks, _rounded(times)


def _require(rows: Sequence[object], what: str, heads: dict[str, int]) -> None:
    if not rows:
        shape = ", ".join(f"{name} {value}" for name, value in heads.items())
        raise NotApplicable(f"AIConfigurator has no attention of {what} with {shape}")


def _rounded(times: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(time, 3) for time in times)
