"""A record as a scenario: the same requests before the same engine, for other policies to try."""

from __future__ import annotations

from typing import NamedTuple

from hocket.core.errors import InputError, UnknownName
from hocket.core.scenario import LONGEST
from hocket.serving import catalogue
from hocket.serving.cost import Constant, CostConfig
from hocket.serving.live.record import Asked, Finished
from hocket.serving.live.recording import Recording
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.workload import Trace
from hocket.serving.workload.lengths import MOST_TOKENS

ANSWERED = ("length", "stop")
"""Why requests leave whose answer is complete."""

POOL = "replica"
LANE = f"{POOL}-0"
"""The engine's name in the timeline."""

READINGS = 1000
"""How many times gauges are read in a run, about."""


class Fate(NamedTuple):
    """What became of a request: its answer's length, and when its client went away, -1 if never.

    Ticks since the record began.
    """

    output: int
    gone: int = -1


def scenario(found: Recording, *, name: str = "", cost: CostConfig | None = None) -> Cluster:
    """The requests of a record, and one replica with the engine's memory and bounds.

    Answers are as long as they were. Those of requests that were aborted are taken to go on up to
    their limit, had the client not gone away when it did; those under way at the end of the record
    are treated as if their clients had gone then, and a note says how many they are. Without `cost`
    every iteration lasts as long as the shortest one of the record: that bounds what is possible,
    and predicts nothing. The model and the GPU stay unnamed unless the catalogue knows the model.

    Raises InputError for a record that makes no scenario.
    """
    began = found.began
    pool = Pool(
        name=POOL,
        gpu="",
        model=_model(began.model),
        cost=Constant(seconds=_shortest(found) / 1e6) if cost is None else cost,
        block_size=began.block_size,
        kv_blocks=began.blocks,
        prefix_cache=began.prefix_cache,
        max_context=began.max_context,
    )
    made = Cluster(
        name=name or "live",
        time_unit="us",
        workload=_trace(found),
        pools=(pool,),
        gauge_every=max(1000, found.end // READINGS),
    )
    if problems := list(made.problems()):
        raise InputError(name or "record", problems)
    return made


def fate(found: Recording, asked: Asked) -> Fate:
    """What became of a request."""
    left = found.finished.get(asked.id)
    if left is not None and answered(left):
        return Fate(left.generated)
    gone = found.end if left is None else left.at
    return Fate(_longest(found, asked, left), max(gone, arrival(asked)))


def answered(left: Finished) -> bool:
    """Whether a request left with a complete answer."""
    return left.why in ANSWERED and left.generated > 0


def arrival(asked: Asked) -> int:
    """When a request was sent; one from before the record began counts as sent then."""
    return max(0, asked.arrival)


def _longest(found: Recording, asked: Asked, left: Finished | None) -> int:
    """Tokens that an answer might have had that was not completed."""
    most = max(1, min(asked.limit, found.began.max_context - asked.prompt, MOST_TOKENS))
    return max(most, 0 if left is None else left.generated)


def _trace(found: Recording) -> Trace:
    asked = list(found.asked.values())
    fates = [fate(found, one) for one in asked]
    notes: tuple[str, ...] = ()
    if found.cut_off:
        are = "request was" if len(found.cut_off) == 1 else "requests were"
        notes = (
            f"{len(found.cut_off)} {are} under way when the record ended: treated as given up "
            "by the client at that moment",
        )

    def told(values: list[int], nothing: int) -> tuple[int, ...]:
        return tuple(values) if any(value != nothing for value in values) else ()

    return Trace(
        arrival=tuple(arrival(one) for one in asked),
        prompt=tuple(one.prompt for one in asked),
        output=tuple(one.output for one in fates),
        limit=told([min(one.limit, MOST_TOKENS) for one in asked], MOST_TOKENS),
        priority=told([one.priority for one in asked], 0),
        tenant=tuple(one.tenant for one in asked) if any(one.tenant for one in asked) else (),
        expected=told([min(one.expected, MOST_TOKENS) for one in asked], 0),
        cancel=told([_patience(*pair) for pair in zip(asked, fates, strict=True)], -1),
        prefix=tuple(one.prefix for one in asked) if any(one.prefix for one in asked) else (),
        prefix_block=found.began.block_size,
        names=tuple(one.id for one in asked),
        notes=notes,
    )


def _patience(asked: Asked, fate: Fate) -> int:
    """Ticks from a request's arrival until its client goes away, -1 if it stays."""
    return -1 if fate.gone < 0 else min(fate.gone - arrival(asked), LONGEST)


def _model(name: str) -> str:
    """The catalogue's name of what was served; empty if it has none."""
    try:
        return catalogue.model(name).name if name else ""
    except UnknownName:
        return ""


def _shortest(found: Recording) -> int:
    """Ticks of the shortest iteration; of overlapping ones what each adds."""
    before, least = 0, LONGEST
    for step in found.steps:
        least = min(least, step.end - max(step.at, before))
        before = max(before, step.end)
    return max(1, least if found.steps else 1000)
