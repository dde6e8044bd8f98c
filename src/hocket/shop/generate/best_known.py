"""Best known bounds of published instances, with their dates and where they come from."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from hocket.core.errors import UnknownName


class Bounds(msgspec.Struct, frozen=True):
    """The makespan of an optimal schedule is from `lower` to `upper` ticks.

    `date` is the day (or year) of the newer of the two, `source` who reports them.
    """

    lower: int
    upper: int
    date: str
    source: str

    @property
    def closed(self) -> bool:
        """Whether `upper` is proven optimal."""
        return self.lower == self.upper


def bounds(name: str, variant: str = "job-shop") -> Bounds | None:
    """The best known bounds of a published instance (``ta41``), or None when there are none.

    `variant` is ``job-shop``, ``blocking-swap`` or ``blocking-no-swap``: the same instance with
    buffers, and without them (see `JobShop.blocking`). Raises UnknownName for any other variant.
    """
    tables = _tables()
    if variant not in tables:
        raise UnknownName("variant", variant, tables)
    row = tables[variant]["bounds"].get(name)
    if row is None:
        return None
    lower, upper, date = row
    return Bounds(lower, upper, date, tables[variant]["source"])


def bounded(variant: str = "job-shop") -> list[str]:
    """The names of the instances of which bounds are known. Raises UnknownName as `bounds` does."""
    tables = _tables()
    if variant not in tables:
        raise UnknownName("variant", variant, tables)
    return list(tables[variant]["bounds"])


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("bounds.toml").read_text(encoding="utf-8"))
