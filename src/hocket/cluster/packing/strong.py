"""The stronger search: heuristics first, then neighbourhoods, then a proof on counted pods.

1. What waits is placed where there is room; bounds by volume tell what could be reached at most.
2. Neighbourhoods are packed anew for a share of the time, or until nothing more is possible.
3. Tier by tier, as in the published search, the whole model is solved, started from the best so
   far; pods that are alike are counted together, and empty nodes that are alike kept in one order.
   Stages whose bound is reached already are not solved at all. At the first stage without a proof
   the search goes back to neighbourhoods.
"""

from __future__ import annotations

import numpy as np

from hocket.cluster.packing.bounds import bound_by_volume
from hocket.cluster.packing.case import NOWHERE, At, Case
from hocket.cluster.packing.clock import Clock
from hocket.cluster.packing.greedy import fill
from hocket.cluster.packing.model import Model, Sum
from hocket.cluster.packing.neighbourhood import Neighbourhoods
from hocket.cluster.packing.pools import Pools
from hocket.cluster.packing.score import Bounds, score
from hocket.cluster.packing.stages import Stages
from hocket.cluster.packing.symmetry import alike, order, sort

SMALL, LARGEST = 64, 60_000
"""A whole model of so few variables is solved at once; one of more than so many not at all."""

FIRST_SHARE = 0.7
"""The share of the time for neighbourhoods before a proof is tried."""

PATIENCE = 1
"""So many neighbourhoods for each node may be searched in vain before that."""


def strong(case: Case, clock: Clock, bounds: Bounds) -> At:
    """The best assignment found."""
    if case.preemptor != NOWHERE and not case.kinds[case.kind[case.preemptor]].enter.any():
        bounds.hopeless = True
        return case.home
    search = Neighbourhoods(case, fill(case, case.home, clock), clock)
    bound_by_volume(case, score(case, search.at), bounds)
    clock.told(search.at)

    def enough(at: At) -> bool:
        reached = score(case, at)
        return bounds.hopeless or (reached.asked and bounds.proves(reached))

    groups = {case.alike(i) for i in range(len(case.keys))}
    variables = sum(int(case.kinds[group[0]].enter.sum()) for group in groups)
    if variables > SMALL:
        search.run(FIRST_SHARE * case.options.time_limit, enough, PATIENCE * len(case.names))
        bound_by_volume(case, score(case, search.at), bounds)
    if not enough(search.at) and variables <= LARGEST:
        search.at = _prove(case, search.at, clock, bounds)
    search.run(case.options.time_limit, enough)
    return search.at


def _prove(case: Case, at: At, clock: Clock, bounds: Bounds) -> At:
    """Solve the whole model stage by stage, as far as they can be proved; the best assignment."""
    options = case.options
    classes = alike(case)
    at = sort(case, at, classes)
    model = Model(case, at, range(len(case.names)), np.flatnonzero(at < 0).tolist())
    order(case, model, classes)
    pools = Pools(clock.left, options.reserved, options.place_share, len(case.priorities))
    stages = Stages(model, clock, bounds, at)
    if case.preemptor != NOWHERE and not _ask(case, model, stages):
        return at
    for t in range(len(case.priorities)):
        spare = pools.tier(clock.left)
        for part, goal in enumerate((model.placed[t], model.disruption[t])):
            assert stages.best is not None
            reached = score(case, stages.best).parts[len(stages.given)]
            if bounds.most(len(stages.given), stages.given) <= reached:
                stages.bind(goal, maximise=not part, exactly=True)
                continue
            expression = -goal.expression if part else goal.expression
            model.cp.add(expression >= reached)
            began = clock.spent
            limit = spare if part else pools.placing(spare)
            if clock.left <= 0 or not stages.solve(goal, maximise=not part, seconds=limit):
                return stages.best
            used = clock.spent - began
            spare -= used
            pools.use(used)
            if bounds.most(len(stages.given) - 1, stages.given) > stages.given[-1]:
                return stages.best
        pools.done()
    assert stages.best is not None
    return stages.best


def _ask(case: Case, model: Model, stages: Stages) -> bool:
    """Bind the model to place the pod that asked; False where no way to do so was found."""
    asked = Sum()
    for variable in model.group_of(case.preemptor).come.values():
        asked.add(variable)
    model.cp.add(asked.expression >= 1)
    if stages.best is not None and stages.best[case.preemptor] >= 0:
        return True
    outcome = stages.clock.solve(model.cp, stages.clock.left / 2, model.hint(model.at))
    stages.bounds.hopeless = outcome.status == "infeasible"
    if outcome.found:
        stages.best = model.assignment(outcome)
    return outcome.found
