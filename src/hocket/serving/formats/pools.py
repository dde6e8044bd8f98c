"""Pools that name a file: what ``cost: {kind: file, ...}`` and ``{kind: profile, ...}`` stand for.

cost: {kind: file, path: model.yaml}        # what `hocket calibrate` wrote
cost: {kind: profile, path: rtx4090-folder} # operator times as profilers leave them
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import msgspec

from hocket.core import files, structured
from hocket.core.errors import InputError, Problem, UnknownName, did_you_mean
from hocket.serving.cost import CostConfig
from hocket.serving.cost.profile import load_profile
from hocket.serving.cost.table import Table

NAMING = ("file", "profile")
"""Kinds of cost that name a file or a folder."""


def expand_pools(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The data of a scenario with the cost models that its pools name read and put in their place.

    Paths are relative to `folder`. Raises InputError.
    """
    pools = data.get("pools")
    if not isinstance(pools, list):
        return data
    found = [_expanded(pool, f"pools[{i}].cost", folder) for i, pool in enumerate(pools)]
    return data | {"pools": found}


def expand_search(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The same for the cost models under ``search.costs``; the model is the first pool's."""
    search, pools = data.get("search"), data.get("pools")
    costs = search.get("costs") if isinstance(search, dict) else None
    if not isinstance(search, dict) or not isinstance(costs, list):
        return data
    first: Any = pools[0] if isinstance(pools, list) and pools else None
    known = isinstance(first, dict) and "model" in first
    model = {"model": first["model"]} if known else {}
    found = []
    for i, one in enumerate(costs):
        if not isinstance(one, dict):
            return data  # what is wrong with it is told where types are looked at
        whole = _expanded(one | model, f"search.costs[{i}].cost", folder)
        found.append({key: whole[key] for key in one})
    return data | {"search": search | {"costs": found}}


def _expanded(pool: Any, where: str, folder: Path) -> Any:
    cost = pool.get("cost") if isinstance(pool, dict) else None
    if not isinstance(cost, dict):
        return pool
    if cost.get("kind") not in NAMING:
        _refuse_unknown(cost.get("kind"), where)
        return pool
    path = cost.get("path")
    if not isinstance(path, str) or not path:
        raise InputError("", [Problem(f"{where}.path", "missing; it names the file")])
    if unknown := [key for key in cost if key not in ("kind", "path")]:
        problems = [Problem(f"{where}.{key}", "unknown field; there is path") for key in unknown]
        raise InputError("", problems)
    if cost["kind"] == "profile":
        found = msgspec.json.encode(_profile(folder / path, pool, where.removesuffix(".cost")))
        return pool | {"cost": msgspec.json.decode(found)}
    return pool | {"cost": _cost_in(folder / path)}


def _refuse_unknown(kind: Any, where: str) -> None:
    """Say which kinds there are, those that name files included."""
    known = (*(one.__struct_config__.tag for one in get_args(CostConfig)), *NAMING)
    if isinstance(kind, str) and kind not in known:
        near = did_you_mean(kind, known) or f"; there is {', '.join(known)}"
        message = f"there is no cost model {kind!r:.40}{near}"
        raise InputError("", [Problem(f"{where}.kind", message)])


def _profile(folder: Path, pool: dict[str, Any], where: str) -> Table:
    """The operator times in a folder, for the model and the degree of a pool."""
    tp = pool.get("tp", 1)
    if type(tp) is not int or tp < 1:
        message = f"expected a whole number from 1 up, got {tp!r:.40}"
        raise InputError("", [Problem(f"{where}.tp", message)])
    try:
        return load_profile(folder, str(pool.get("model", "")), tp)
    except UnknownName as error:
        raise InputError("", [Problem(f"{where}.model", str(error))]) from None


def _cost_in(path: Path) -> Any:
    """The cost model that a file of `hocket calibrate` holds."""
    name = files.display(path)
    kind = structured.KINDS.get(files.suffix(path), "yaml")
    found = structured.parse(files.text(path), kind, name)
    if not isinstance(found, dict) or not isinstance(found.get("cost"), dict):
        raise InputError(name, ["holds no cost model: expected a key cost with its fields below"])
    return found["cost"]
