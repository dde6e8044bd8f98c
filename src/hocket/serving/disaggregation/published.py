"""What the authors of DistServe measured on A100 80 GB, as numbers that can be run.

The file ``coefficients.toml`` beside this module holds their fits for OPT-13B and OPT-66B, of two
engines, and the key-value memory of these and of OPT-175B, for which they published no times.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from hocket.core.errors import NotApplicable, UnknownName
from hocket.serving.cost.distserve import DistServe

SOURCE = "github.com/LLMServe/DistServe, simdistserve/estimators/profile_data (Apache-2.0)"
ENGINES = ("distserve", "vllm")
MODELS = ("opt-13b", "opt-66b", "opt-175b")


def coefficients(model: str, tp: int, engine: str = "distserve") -> DistServe:
    """The fitted costs of a model at a tensor-parallel degree, on the authors' engine or vLLM.

    Raises UnknownName, and NotApplicable where the authors published no times.
    """
    by_degree = times(model, engine)
    if tp not in by_degree:
        known = ", ".join(map(str, by_degree)) or "none"
        raise NotApplicable(
            f"there are no published times of {model} on {engine} at tensor-parallel degree {tp}; "
            f"there are for {known}"
        )
    return by_degree[tp]


@cache
def times(model: str, engine: str = "distserve") -> dict[int, DistServe]:
    """The fitted costs by tensor-parallel degree, none for OPT-175B. Raises UnknownName."""
    _known(model)
    if engine not in ENGINES:
        raise UnknownName("engine", engine, ENGINES)
    entries: dict[str, dict[str, list[float]]] = _data()["times"][engine].get(model, {})
    return {
        int(tp): DistServe(**{phase: tuple(triple) for phase, triple in entry.items()})  # type: ignore[arg-type]
        for tp, entry in entries.items()
    }


@cache
def memory(model: str) -> dict[tuple[int, int], int]:
    """Tokens of keys and values that fit, by (tp, pp); a missing pair does not fit.

    Raises UnknownName.
    """
    _known(model)
    table: dict[str, dict[str, int]] = _data()["memory"][model]
    return {(int(tp), int(pp)): n for tp, row in table.items() for pp, n in row.items()}


def _known(model: str) -> None:
    if model not in MODELS:
        raise UnknownName("model", model, MODELS)


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("coefficients.toml").read_text("utf-8"))
