"""``--add-node``, ``--drain``, ``--without``: the scenario, changed a little before it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from hocket import api
from hocket.core.scenario import Scenario


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """What a cluster would be like; the changes are made in the order of these fields."""

    add_node: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            help="What if there were a node: NAME, NAME=like:NODE, NAME=cpu=8,memory=32Gi.",
        ),
    ] = ()
    drain: Annotated[
        tuple[str, ...],
        Parameter(
            negative="", show_default=False, help="What if this node were emptied and closed."
        ),
    ] = ()
    without: Annotated[
        tuple[str, ...],
        Parameter(negative="", show_default=False, help="What if this pod were not there."),
    ] = ()


def changed(world: Scenario, what_if: WhatIf | None) -> Scenario:
    """The scenario with the changes made."""
    if what_if is None:
        return world
    for name in ("add_node", "drain", "without"):
        for text in getattr(what_if, name):
            world = api.changed(world, name.replace("_", "-"), text)
    return world
