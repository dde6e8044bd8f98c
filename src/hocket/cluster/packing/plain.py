"""The published search: tier by tier, first place, then disturb least; each result is kept fixed.

Christensen, Mauro and Giallorenzo, arXiv 2511.08373, and their code, with two of its traps mended:

- a stage that ends without a solution leaves the one before in force. In their code the solver's
  values are read after the last stage, whatever became of it
- when time ends before low tiers were looked at, nothing in the last solution keeps their pods in
  place. Here these pods are put back to where they run as far as there is room, and waiting ones
  are placed where they fit
"""

from __future__ import annotations

import numpy as np

from hocket.cluster.packing.case import At, Case
from hocket.cluster.packing.clock import Clock
from hocket.cluster.packing.greedy import complete
from hocket.cluster.packing.model import Model, Sum
from hocket.cluster.packing.pools import Pools
from hocket.cluster.packing.score import Bounds, score
from hocket.cluster.packing.stages import Stages
from hocket.core.errors import NotApplicable

LARGEST = 3_000_000
"""So many variables may the model have: more would not be built within any sensible time."""

LEAST = 0.001
"""A stage that would have no more seconds than this is left out; without places the search ends."""


def plain(case: Case, clock: Clock, bounds: Bounds) -> At:
    """The best assignment that the published search finds; the present one if it finds none."""
    size = sum(int(case.kinds[k].enter.sum()) for k in case.kind)
    if size > LARGEST:
        raise NotApplicable(f"the plain model would have {size} variables; use method: strong")
    loose = np.flatnonzero(case.home < 0).tolist()
    model = Model(case, case.home, range(len(case.names)), loose, alone=True)
    _trigger(case, model, loose)
    found, solved = _climb(case, model, clock, bounds)
    if found is None:
        return case.home
    if solved == len(case.priorities):
        return found
    completed = complete(case, found, solved, clock)
    return max((case.home, found, completed), key=lambda at: score(case, at))


def _trigger(case: Case, model: Model, loose: list[int]) -> None:
    """What a plan must place: the pod that asked, or any that waits."""
    wanted = Sum()
    for group in model.groups:
        asks = case.preemptor in group.members if case.preemptor >= 0 else group.pending
        if asks:
            for variable in group.come.values():
                wanted.add(variable)
    if wanted.variables:
        model.cp.add(wanted.expression >= 1)
    else:
        model.cp.add_bool_or([])


def _climb(case: Case, model: Model, clock: Clock, bounds: Bounds) -> tuple[At | None, int]:
    """The last solution, and for how many tiers places were looked for."""
    options = case.options
    pools = Pools(clock.left, options.reserved, options.place_share, len(case.priorities))
    stages = Stages(model, clock, bounds)
    for t in range(len(case.priorities)):
        spare = pools.tier(clock.left)
        for part, goal in enumerate((model.placed[t], model.disruption[t])):
            if part and not ((case.home >= 0) & (case.tier <= t)).any():
                stages.skip(0)  # there is nobody who could be disturbed
                continue
            began = clock.spent
            limit = spare if part else pools.placing(spare)
            if part and limit <= LEAST:
                stages.skip()
                continue
            if limit <= LEAST or not stages.solve(goal, maximise=not part, seconds=limit):
                return stages.best, t + part
            spare -= clock.spent - began
            pools.use(clock.spent - began)
        pools.done()
    return stages.best, len(case.priorities)
