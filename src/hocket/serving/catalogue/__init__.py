"""Language models and GPUs by name: what memory and cost models need to know of them.

>>> model("llama-3.1-8b").layers
32
>>> gpu("A100-80GB").bandwidth
2039.0

The entries lie beside this module in ``models.toml`` and ``gpus.toml``, each with its source.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import msgspec

from hocket.core.errors import UnknownName
from hocket.serving.catalogue.gpu import Gpu
from hocket.serving.catalogue.model import Model

__all__ = ["Gpu", "Model", "gpu", "gpus", "model", "models"]

T = TypeVar("T")


@cache
def models() -> dict[str, Model]:
    """Every model of the catalogue by its name, in the order of families and sizes."""
    return _entries("models.toml", Model)


@cache
def gpus() -> dict[str, Gpu]:
    """Every GPU of the catalogue by its name."""
    return _entries("gpus.toml", Gpu)


@cache
def model(name: str) -> Model:
    """The model of a name, or of its repository on Hugging Face.

    Case, spaces, hyphens and underscores do not matter. Raises UnknownName with the nearest names.
    """
    repositories = {_plain(entry.source): entry for entry in models().values()}
    known = repositories | {_plain(key): entry for key, entry in models().items()}
    if found := known.get(_plain(name)):
        return found
    raise UnknownName("model", name.lower().rpartition("/")[2], models())


@cache
def gpu(name: str) -> Gpu:
    """The GPU of a name. Case, spaces, hyphens and underscores do not matter.

    Raises UnknownName with the nearest names.
    """
    known = {_plain(key): entry for key, entry in gpus().items()}
    if found := known.get(_plain(name)):
        return found
    raise UnknownName("GPU", name.upper(), gpus())


def _plain(name: str) -> str:
    return name.lower().replace(" ", "").replace("-", "").replace("_", "")


def _entries(file: str, kind: type[T]) -> dict[str, T]:
    text = files(__name__).joinpath(file).read_text(encoding="utf-8")
    data: dict[str, dict[str, Any]] = tomllib.loads(text)
    return {name: msgspec.convert(entry | {"name": name}, kind) for name, entry in data.items()}
