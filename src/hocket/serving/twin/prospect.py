"""What the same requests would have met otherwise, and what they did where it was tried."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from hocket.core.errors import InputError, UserError
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.serving import memory
from hocket.serving.calibrate import Error, Times
from hocket.serving.calibrate.replay import drawn
from hocket.serving.facts import engine_of
from hocket.serving.model.cluster import Cluster
from hocket.serving.twin.bounds import Bounded
from hocket.serving.twin.change import Changed, bounds, changed, like
from hocket.serving.twin.compare import Twin, compared, missed
from hocket.serving.twin.served import Served, predict

NAMED = 3
"""Requests that are named where two records differ."""

LATE = 0.05
"""Seconds by which arrivals may differ before that is worth a word."""


class Prospect(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What the twin says of changed circumstances, over all requests of the log.

    - `label`: what was changed; `scenario`, `policy`: what was simulated
    - `predicted`, `timeline`: what comes of it, a row per request
    - `real`: a log of it that was really served, if there is one, and `errors` how far off the
      prediction is; `target` as in `Twin`
    - `slower`: by what share iterations took longer there than the model says, as in `Twin`
    - `notes`: why a real engine would refuse it, and how `real` differs from what was asked
    """

    label: str
    scenario: Cluster
    policy: str
    predicted: Times
    timeline: Timeline
    real: Served | None = None
    errors: tuple[Error, ...] = ()
    target: float
    slower: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def missed(self) -> tuple[Error, ...]:
        """As in `Twin`, on the requests that were really served so."""
        return missed(self.errors, self.target)


def what_if(found: Twin, changes: Sequence[str] = (), *, against: Served | None = None) -> Prospect:
    """The log's requests served otherwise: `changes` are those of `hocket.serving.twin.change`.

    `against` is a log of the same requests, served like that; without changes what is asked is
    read from it. Raises InputError for changes that cannot be made, or requests that differ.
    """
    if not changes and against is None:
        raise UserError("nothing is changed: say what, or give a log of what was tried")
    served = found.served
    asked = changed(served, changes) if changes else like(served, _given(against))
    told, predicted = predict(asked.scenario, asked.policy, found.calibration.cost, found.seed)
    notes = _doubts(asked)
    wrong: tuple[Error, ...] = ()
    if against is not None:
        _same_requests(served, against)
        notes += [*against.notes, *_differences(asked, against)]
        wrong = compared(against, predicted)
    return Prospect(
        label=asked.label,
        scenario=asked.scenario,
        policy=str(asked.policy),
        predicted=predicted,
        timeline=told,
        real=against,
        errors=wrong,
        target=found.target,
        slower=None if against is None else against.slower(found.calibration.cost),
        notes=tuple(notes),
    )


def _doubts(asked: Changed) -> list[str]:
    """Why an engine with these bounds would refuse the policy, if it would."""
    if not isinstance(asked.policy, Bounded):
        return []
    pool = asked.scenario.pools[0]
    limits = asked.policy.batcher(engine_of(asked.scenario, pool), Streams(0)).limits
    longest, found = memory.max_context(pool), []
    if not limits.chunked and asked.policy.tokens < longest:
        found.append(
            f"a real engine refuses this: the policy never cuts a prompt, and prompts may have "
            f"{longest} tokens, an iteration only {asked.policy.tokens}; add tokens={longest}"
        )
    if limits.preemption == "swap":
        found.append("vLLM refuses this: it recomputes who gave way and moves no memory")
    return found


def _given(against: Served | None) -> Served:
    if against is None:
        raise UserError("there is no log of what was tried")
    return against


def _same_requests(one: Served, other: Served) -> None:
    """Both logs must be of the same requests, in the same order. Raises InputError."""
    a, b = one.requests, other.requests
    if len(a) != len(b):
        message = f"holds {len(b)} requests, but {one.source} has {len(a)}: serve the same ones"
        raise InputError(other.source, [message])
    lengths = zip(a.prompt, a.output, b.prompt, b.output, strict=True)
    differ = [i for i, (p, o, q, r) in enumerate(lengths) if (p, o) != (q, r)]
    if differ:
        names = ", ".join(b.name(i) for i in differ[:NAMED])
        message = (
            f"{len(differ)} of {len(b)} requests have other prompts or answers than in "
            f"{one.source} ({names}): serve the same ones, with answers of fixed length"
        )
        raise InputError(other.source, [message])


def _differences(asked: Changed, real: Served) -> list[str]:
    """Where what was tried is not what was asked."""
    found = []
    mine, theirs = asked.scenario.pools[0], real.pool
    for name, a, b in (
        ("blocks", memory.blocks(mine), memory.blocks(theirs)),
        ("tokens per block", mine.block_size, theirs.block_size),
        ("prefix cache", mine.prefix_cache, theirs.prefix_cache),
        ("policy", str(asked.policy), str(real.policy)),
        ("bounds", bounds(asked.policy), bounds(real.policy)),
    ):
        if a != b:
            found.append(f"{name}: asked was {a}, {real.source} was served with {b}")
    mine_came, theirs_came = (drawn(world).arrival for world in (asked.scenario, real.scenario))
    late = (mine_came - mine_came.min()) - (theirs_came - theirs_came.min())
    most = float(np.abs(late).max()) / 1e6
    if most > LATE:
        found.append(f"arrivals differ by up to {most:.2f} s from those of {real.source}")
    return found
