"""How a better packing is searched for."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from hocket.core.errors import UserError

Method = Literal["plain", "strong"]
Timing = Literal["wall", "work"]
Cost = Literal["evict-first", "move-first"]
Trigger = Literal["batch", "one"]

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The search's parameters; `time_limit`, `reserved` and `place_share` default to the authors'.

    - `method`: ``plain`` is the published model, one variable for each pod and node; ``strong``
      counts pods that are alike, starts from heuristics and searches neighbourhoods
    - `time_limit`: seconds for the whole search, by the `clock`: ``wall``, or ``work``, the
      solver's deterministic measure of work, which makes the outcome the same on every machine. The
      authors' code keeps 0.2 s of its limit for the program around the search, this one nothing
    - `reserved`: share of the time that is kept for the tiers in equal parts; `place_share`: share
      of a tier's time that the search for the least disruption may have, the rest is for placing
      (Christensen, Mauro and Giallorenzo, arXiv 2511.08373, and their code)
    - `cost`: ``evict-first`` counts 1 for a pod that is evicted and 2 for one that is moved,
      ``move-first`` the other way round
    - `trigger`: what a plan must place: ``batch``, at least one of the waiting pods; ``one``, the
      pod that asked for it
    - `workers`: threads of the solver; with more than one and the clock ``work`` they take turns
    """

    method: Method = "strong"
    time_limit: Annotated[float, msgspec.Meta(ge=0)] = 3.0
    clock: Timing = "work"
    reserved: Share = 0.6
    place_share: Share = 0.5
    cost: Cost = "evict-first"
    trigger: Trigger = "batch"
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        # msgspec looks at types and ranges where it decodes, not where Python code constructs.
        for field in msgspec.structs.fields(type(self)):
            try:
                msgspec.convert(getattr(self, field.name), field.type)
            except msgspec.ValidationError as error:
                raise UserError(f"packing option {field.name}: {error}") from None
