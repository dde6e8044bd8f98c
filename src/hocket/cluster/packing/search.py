"""The best assignment of pods to nodes: what `plain` and `strong` have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
import numpy as np

from hocket.cluster.model.pods import Pods
from hocket.cluster.packing.case import Case, Changes
from hocket.cluster.packing.clock import Clock
from hocket.cluster.packing.options import Options
from hocket.cluster.packing.plain import plain
from hocket.cluster.packing.plan import Tier, Verdict
from hocket.cluster.packing.score import Bounds, score, tiers
from hocket.cluster.packing.strong import strong
from hocket.core.solution import OnImprovement, Step
from hocket.solvers.cpsat import cp_model

__all__ = ["Changes", "Packing", "pack"]


class Packing(msgspec.Struct, frozen=True, kw_only=True):
    """The best assignment that a search found; the present one unless the verdict is better.

    - `where`: the node of every pod that runs afterwards, by key
    - `tiers`: what is reached and proved, the most important first
    - `seconds`: how long the search took, by the clock that limited it
    - `log`: how the number of waiting pods changed from one best assignment to the next
    - `reason`: why the search ended without a proof; `interrupted`: whether it was stopped
    """

    where: dict[str, str]
    tiers: tuple[Tier, ...]
    verdict: Verdict
    seconds: float = 0.0
    log: tuple[Step, ...] = ()
    reason: str = ""
    interrupted: bool = False


def pack(
    cluster: Pods,
    options: Options,
    *,
    preemptor: str = "",
    forbidden: Iterable[Changes] = (),
    stop: Callable[[], bool] | None = None,
    progress: OnImprovement | None = None,
) -> Packing:
    """Search for the best legal assignment of the pods of a snapshot.

    - `preemptor`: with the trigger ``one``, the key of the waiting pod that must be placed
    - `forbidden`: sets of changes; of each at least one must not be made
    - `stop`: asked about ten times a second; the best so far is kept, as it is at Ctrl-C

    The outcome is never worse than the present, tier by tier. Raises UserError for a preemptor that
    is unknown or runs, MissingExtra without OR-Tools.
    """
    case = Case(cluster, options, preemptor, forbidden)
    cp_model()  # a missing library is an error in any case; its import is no part of the search
    clock, bounds = Clock(options, stop, progress), Bounds(case)
    search = plain if options.method == "plain" else strong
    present = score(case, case.home)
    at = case.home
    if (case.home < 0).any():
        try:
            at = search(case, clock, bounds)
        except KeyboardInterrupt:
            clock.interrupted = True
            at = case.home if clock.best is None else clock.best
    found = score(case, at)
    better = found.asked and found.tiers > present.tiers
    if not better:
        at, found = case.home, present
    proved = bounds.proves(found)
    return Packing(
        where={case.keys[i]: case.names[at[i]] for i in np.flatnonzero(at >= 0).tolist()},
        tiers=tiers(case, found, bounds),
        verdict=_verdict(better, proved),
        seconds=clock.spent,
        log=tuple(clock.log),
        reason="" if proved else "interrupted" if clock.interrupted else "the limit was reached",
        interrupted=clock.interrupted,
    )


def _verdict(better: bool, proved: bool) -> Verdict:
    if better:
        return "better and optimal" if proved else "better"
    return "already optimal" if proved else "no better plan in time"
