"""Operator profiles as cost tables.

Two formats are read, recognised by the files in the folder:

- LLMServingSim: ``dense.csv``, ``per_sequence.csv``, ``attention.csv`` in microseconds
- Vidur, also written by Frontier: ``mlp.csv``, ``attention.csv``, medians in milliseconds
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, cast

from hocket.core import files, structured
from hocket.core.errors import InputError
from hocket.serving import catalogue
from hocket.serving.cost import measured, vidur
from hocket.serving.cost.measured import Axis, Point
from hocket.serving.cost.table import Table

LAYER = {
    "layernorm": 2,
    "qkv_proj": 1,
    "rotary_emb": 1,
    "o_proj": 1,
    "gate_up_proj": 1,
    "act_fn": 1,
    "down_proj": 1,
}
"""Operators of a layer in LLMServingSim's ``dense.csv``, and how often a layer runs each."""
OPTIONAL = {"qk_norm": 1}
ONCE = ("embedding", "final_layernorm")
SAMPLING = ("lm_head", "sampler")


def load_profile(folder: str | Path, model: str = "", tp: int | None = None) -> Table:
    """The operator times in a folder, reduced to what `Table` needs.

    - `model`: a name of the catalogue; by default what the profile says of itself
    - `tp`: the tensor-parallel degree; by default that in the folder's name, ``tp2``, else 1

    Raises InputError for missing files, columns and rows, and UnknownName for the model.
    """
    place = Path(folder)
    if not place.is_dir():
        raise InputError(str(folder), ["no such folder; a profile is a folder of CSV files"])
    found = re.search(r"tp(\d+)$", place.resolve().name)
    degree = tp or (int(found[1]) if found else 1)
    if (place / "dense.csv").exists():
        return _llmservingsim(place, model, degree)
    if (place / "mlp.csv").exists():
        return vidur.table(place, model, degree)
    message = "no profile: there is neither dense.csv (LLMServingSim) nor mlp.csv (Vidur)"
    raise InputError(files.display(place), [message])


def _llmservingsim(place: Path, model: str, tp: int) -> Table:
    said = _meta(place)
    name = model or said.get("model", "")
    if not name:
        message = "does not say of which model it is; name the model"
        raise InputError(files.display(place), [message])
    entry = catalogue.model(name)
    tokens, dense = _curves(place / "dense.csv", "tokens", (*LAYER, *ONCE), tuple(OPTIONAL))
    samples, sequence = _curves(place / "per_sequence.csv", "sequences", SAMPLING)
    times = {**LAYER, **{layer: n for layer, n in OPTIONAL.items() if layer in dense}}
    each = [sum(n * dense[layer][i] for layer, n in times.items()) for i in range(len(tokens))]
    once = [sum(dense[layer][i] for layer in ONCE) for i in range(len(tokens))]
    sampling = [sum(sequence[layer][i] for layer in SAMPLING) for i in range(len(samples))]
    decode, prompt, mixed = _attention(place / "attention.csv")
    (decodes, contexts), (chunks, befores, *others) = decode.axes, mixed.axes or prompt.axes
    return Table(
        profile=_title(said, place),
        model_name=entry.name,
        tp=tp,
        layers=entry.layers,
        tokens=tokens,
        layer=_rounded(each),
        once=_rounded(once),
        samples=samples,
        sampling=_rounded(sampling),
        decodes=decodes,
        contexts=contexts,
        decode=decode.values,
        chunks=chunks,
        befores=befores,
        prompt=prompt.values,
        mixed_decodes=others[0] if others else (),
        mixed_contexts=others[1] if others else (),
        mixed=mixed.values,
    )


class Grid(NamedTuple):
    """Values over a full grid, the last axis varying fastest."""

    axes: tuple[Axis, ...]
    values: tuple[float, ...]


def _attention(path: Path) -> tuple[Grid, Grid, Grid]:
    """Attention of decodes alone, of prompts alone, and of both on the same chunks."""
    names = ("prefill_chunk", "kv_prefill", "n_decode", "kv_decode", "time_us")
    rows = cast("list[tuple[float, ...]]", measured.columns(path, names))
    points = [(tuple(int(x) for x in row[:4]), row[4]) for row in rows]
    decode = measured.mean_of((p[2:], t) for p, t in points if p[0] == 0 and p[2] > 0)
    prompt = measured.mean_of((p[:2], t) for p, t in points if p[0] > 0 and p[2] == 0)
    mixed = measured.mean_of((p, t) for p, t in points if p[0] > 0 and p[2] > 0)
    for what, found in (("decodes alone (prefill_chunk 0)", decode), ("prompts alone", prompt)):
        if not found:
            raise InputError(files.display(path), [f"no rows for {what}"])
    axes = measured.full_grid(mixed)
    chunks = [p for p in prompt if not axes or (p[0] in axes[0] and p[1] in axes[1])]
    alone = measured.full_grid(chunks)
    if axes and alone != axes[:2]:
        axes = measured.full_grid(p for p in mixed if p[0] in alone[0] and p[1] in alone[1])
        alone = axes[:2]
    return (
        _grid(decode, measured.full_grid(decode)),
        _grid(prompt, alone),
        _grid(mixed, axes),
    )


def _grid(at: dict[Point, float], axes: tuple[Axis, ...]) -> Grid:
    return Grid(axes, measured.values(at, axes) if axes else ())


def _curves(
    path: Path, axis: str, needed: tuple[str, ...], optional: tuple[str, ...] = ()
) -> tuple[Axis, dict[str, list[float]]]:
    """The times of each operator over the points that all of them were measured at."""
    rows = measured.columns(path, (axis, "time_us"), ("layer",))
    found: dict[str, dict[int, float]] = {}
    for at, time, layer in cast("list[tuple[float, float, str]]", rows):
        found.setdefault(layer, {})[int(at)] = time
    if missing := [layer for layer in needed if layer not in found]:
        message = f"no rows for {', '.join(missing)}; there are {', '.join(found)}"
        raise InputError(files.display(path), [message])
    used = [*needed, *(layer for layer in optional if layer in found)]
    points = sorted(set.intersection(*(set(found[layer]) for layer in used)))
    return tuple(points), {layer: [found[layer][at] for at in points] for layer in used}


def _meta(place: Path) -> dict[str, str]:
    """What ``meta.yaml`` says, beside the files or one folder up; empty if there is none."""
    for path in (place / "meta.yaml", place.parent / "meta.yaml"):
        if path.exists():
            said = structured.parse(files.text(path), "yaml", files.display(path))
            if not isinstance(said, dict):
                told = "expected keys with values, as in model: ..."
                raise InputError(files.display(path), [told])
            return {key: x for key, x in said.items() if isinstance(x, str)}
    return {}


def _title(said: dict[str, str], place: Path) -> str:
    parts = [said[key] for key in ("model", "gpu", "variant") if key in said]
    return ", ".join(parts) or place.name


def _rounded(times: list[float]) -> tuple[float, ...]:
    return tuple(round(time, 3) for time in times)
