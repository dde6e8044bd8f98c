"""The weights that come with hocket, on Taillard's instances, which they were not trained on."""

import numpy as np
import pytest

from hocket.learn import weights
from hocket.learn.sampling import greedy
from hocket.shop.check.jobshop import check
from hocket.shop.generate import named
from hocket.shop.generate.best_known import bounds
from hocket.shop.neural.arena import ActiveSchedules
from hocket.shop.neural.instances import work_of
from hocket.shop.policies.neural import Neural
from hocket.shop.policies.plans import GifflerThompson
from hocket.shop.policies.rules import MWKR
from hocket.shop.simulate.jobshop import simulate

NAMES = [f"ta{i:02}" for i in range(1, 41)]


def gap(name: str, makespan: float) -> float:
    """In per cent of the best known makespan."""
    known = bounds(name)
    assert known is not None
    return 100 * (makespan / known.upper - 1)


@pytest.fixture(scope="module")
def neural() -> dict[str, float]:
    """The gaps of the greedy plans, made in lock step."""
    policy = Neural()
    score = policy.scorer(weights.load(policy))
    arena = ActiveSchedules([work_of(named(name)) for name in NAMES])
    while (asked := arena.asked()) is not None:
        arena.answer(greedy(score(asked.batch), asked.batch))
    return {name: gap(name, end) for name, end in zip(NAMES, arena.costs(), strict=True)}


def interval(values: np.ndarray) -> tuple[float, float]:
    """The mean, and half the width of its 95 % interval."""
    return values.mean(), 1.96 * values.std(ddof=1) / len(values) ** 0.5


def test_greedy_beats_the_dispatching_rules(neural):
    own = np.array(list(neural.values()))
    for rule in (MWKR(), GifflerThompson()):
        theirs = np.array([gap(name, simulate(named(name), rule).end) for name in NAMES])
        mean, half = interval(theirs - own)
        assert mean - half > 3, rule.name


def test_greedy_stays_within_the_gap_that_it_was_made_for(neural):
    mean, half = interval(np.array(list(neural.values())))
    assert mean + half < 13


def test_in_the_simulator_it_is_the_same_schedule_and_a_feasible_one(neural):
    for name in ("ta01", "ta11"):
        shop = named(name)
        timeline = simulate(shop, Neural())
        assert check(shop, timeline) == []
        assert gap(name, timeline.end) == pytest.approx(neural[name], abs=1.0)


def test_samples_gain():
    names = NAMES[:5]
    greedy_gaps = [gap(name, simulate(named(name), Neural()).end) for name in names]
    sampled = [gap(name, simulate(named(name), Neural(samples=32), seed=1).end) for name in names]
    gains = np.subtract(greedy_gaps, sampled)
    assert (gains >= 0).all()
    assert gains.mean() > 2
