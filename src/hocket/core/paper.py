"""Published systems: citation, claims, and the experiment that checks them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

Fidelity = Literal["exact", "ratio", "shape", "reconstruction"]
"""How strongly a reproduced figure supports the published one.

`exact`: equals the authors' code or published instance. `ratio`: within a stated tolerance of the
paper's ratio on comparable work. `shape`: same ordering or trend only. `reconstruction`: the paper
leaves out what is needed; our choice is documented.
"""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One published figure beside ours. `holds` says whether ours supports it at this label."""

    name: str
    published: float | str | None
    measured: float | str
    fidelity: Fidelity
    holds: bool
    note: str = ""


Progress = Callable[[int, int, str], None]
"""Called as ``progress(done, total, what)`` during long experiments."""

Tick = Callable[[str], None]
"""Called with what comes next each time that a part of an experiment is done."""


def counting(total: int, progress: Progress | None) -> Tick:
    """Report progress by counting ticks, of which there will be `total`."""
    done = 0

    def tick(what: str) -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total, what)

    return tick


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """A published system and the experiment that checks it here.

    `reproduce` is the import path of ``(*, full, seed, progress) -> list[Claim]``: seconds by
    default, the published sizes and counts when `full`.
    """

    name: str
    title: str
    citation: str
    policies: tuple[str, ...]
    reproduce: str
    notes: tuple[str, ...] = ()
