"""Profiles in the format of Vidur (Agrawal et al., MLSys 2024), as cost tables."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from hocket.core import files
from hocket.core.errors import InputError
from hocket.serving import catalogue
from hocket.serving.cost import measured
from hocket.serving.cost.curve import Curve
from hocket.serving.cost.measured import Axis, Point
from hocket.serving.cost.table import Table

LAYER = (
    "input_layernorm",
    "attn_pre_proj",
    "attn_rope",
    "attn_post_proj",
    "post_attention_layernorm",
    "mlp_up_proj",
    "mlp_act",
    "mlp_down_proj",
    "add",
)
ATTENTION = ("attn_input_reshape", "attn_kv_cache_save", "attn_output_reshape")
STEP = 1.15  # grid points closer together than this ratio say the same


def table(place: Path, model: str, tp: int) -> Table:
    """The profile in a folder as a table. Medians are taken.

    As in Vidur, writing keys and values is part of attention, which is the sum of prompts' and
    decodes'. The head and the sampler, which these profiles leave out, are taken as a matrix
    product as fast as the first one of the feed-forward part. Raises InputError and UnknownName.
    """
    shape, tokens, layer, once, up = _dense(place / "mlp.csv", tp)
    entry = catalogue.model(model) if model else _like(shape, files.display(place))
    ratio = entry.vocab / (2 * entry.intermediate if entry.gated else entry.intermediate)
    decodes, contexts, decode, chunks, befores, prompt = _attention(place / "attention.csv", tp)
    return Table(
        profile=place.name,
        model_name=entry.name,
        tp=tp,
        layers=entry.layers,
        tokens=tokens,
        layer=layer,
        once=once,
        samples=tokens,
        sampling=tuple(round(x * ratio, 3) for x in up),
        decodes=decodes,
        contexts=contexts,
        decode=decode,
        chunks=chunks,
        befores=befores,
        prompt=prompt,
    )


Times = tuple[float, ...]


def _dense(path: Path, tp: int) -> tuple[Point, Axis, Times, Times, Times]:
    """The model's shape; tokens; times of a layer, the embedding and the up-projection."""
    shape = ("n_embd", "n_head", "n_kv_head", "n_expanded_embd")
    names = ("num_tensor_parallel_workers", "num_tokens", *shape)
    operators = ("emb", *LAYER)
    rows = _rows(path, names, operators, tp)
    shapes = {tuple(int(x) for x in row[2:6]) for row in rows}
    if len(shapes) != 1:
        raise InputError(files.display(path), ["rows of more than one model"])
    axis = tuple(sorted({int(row[1]) for row in rows}))

    def curve(first: int, last: int) -> Times:
        found = measured.mean_of(((int(row[1]),), sum(row[first:last])) for row in rows)
        return measured.values(found, (axis,))

    up = 7 + LAYER.index("mlp_up_proj")
    return shapes.pop(), axis, curve(7, 7 + len(LAYER)), curve(6, 7), curve(up, up + 1)


def _attention(path: Path, tp: int) -> tuple[Axis, Axis, Times, Axis, Axis, Times]:
    names = ("num_tensor_parallel_workers", "batch_size", "prefill_chunk_size", "kv_cache_size")
    rows = _rows(path, names, ("attn_prefill", "attn_decode", *ATTENTION), tp)
    decode = measured.mean_of(
        ((int(n), int(kv)), sum(rest) + time)
        for _, n, chunk, kv, _, time, *rest in rows
        if chunk == 0
    )
    prompt = measured.mean_of(
        ((int(chunk), int(kv)), sum(rest) + time)
        for _, n, chunk, kv, time, _, *rest in rows
        if chunk > 0 and n == 1
    )
    for what, found in (("decode", decode), ("prefill of one request", prompt)):
        if not found:
            raise InputError(files.display(path), [f"no rows for {what} at tp {tp}"])
    axes = measured.full_grid(decode)
    decodes, contexts = (_thin(axis) for axis in axes)
    chunks, befores, prompts = _filled(prompt)
    times = measured.values(decode, (decodes, contexts))
    return decodes, contexts, times, chunks, befores, prompts


def _filled(prompt: dict[Point, float]) -> tuple[Axis, Axis, Times]:
    """Prompts on a full grid. Vidur measures chunks only after multiples of their own size.

    A chunk measured after nothing alone grows with the tokens before it as the longest one that was
    measured after some does, in proportion to its length.
    """
    by_chunk: dict[int, list[tuple[int, float]]] = {}
    for (chunk, kv), time in sorted(prompt.items()):
        by_chunk.setdefault(chunk, []).append((kv, time))
    chunks = _thin(tuple(chunk for chunk, row in by_chunk.items() if row[0][0] == 0))
    befores = _thin(tuple(sorted({kv for _, kv in prompt})))
    model, length = Curve((0,), (0.0,)), 1
    times: list[float] = []
    for chunk in chunks:
        row = by_chunk[chunk]
        alone = row[0][1]
        if len(row) > 1:
            model, length = Curve(*zip(*row, strict=True)), chunk
            times += [model(kv) for kv in befores]
        else:
            times += [alone + chunk / length * (model(kv) - model(0)) for kv in befores]
    return chunks, befores, tuple(round(time, 3) for time in times)


def _rows(
    path: Path, names: tuple[str, ...], operators: tuple[str, ...], tp: int
) -> list[tuple[float, ...]]:
    """Rows measured at `tp`, the first of `names`: their `names`, then times in microseconds."""
    stats = tuple(f"time_stats.{name}.median" for name in operators)
    rows = cast("list[tuple[float, ...]]", measured.columns(path, (*names, *stats)))
    n = len(names)
    found = [(*row[:n], *(time * 1e3 for time in row[n:])) for row in rows if row[0] == tp]
    if not found:
        known = ", ".join(str(int(degree)) for degree in sorted({row[0] for row in rows}))
        raise InputError(files.display(path), [f"no rows at tp {tp}; there are for {known}"])
    return found


def _thin(axis: Axis) -> Axis:
    """An axis without points that lie close to the one before; the last one stays."""
    kept = [axis[0]]
    for x in axis[1:-1]:
        if x >= max(1, kept[-1]) * STEP:
            kept.append(x)
    return tuple(dict.fromkeys([*kept, axis[-1]]))


def _like(shape: Point, source: str) -> catalogue.Model:
    for entry in reversed(catalogue.models().values()):
        if (entry.hidden, entry.heads, entry.kv_heads, entry.intermediate) == shape:
            return entry
    message = f"of no model of the catalogue (hidden, heads, kv heads, intermediate: {shape})"
    raise InputError(source, [f"{message}; name the model"])
