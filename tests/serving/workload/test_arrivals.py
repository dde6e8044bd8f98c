"""When requests arrive: laws, rates, and what is refused."""

import numpy as np
import pytest
from scipy import stats

from hocket.core.disturb.arrivals import Deterministic, GammaArrivals, Poisson, TraceArrivals
from hocket.core.errors import UserError
from hocket.core.scenario import Scenario
from hocket.core.streams import Streams
from hocket.serving.workload import Bursts, Fixed, Profile, Random, Rate, Separate, Step
from hocket.serving.workload.arrivals import arrival_problems, arrival_times
from hocket.serving.workload.clock import ticks_per_second

SECOND = 10**6
SURE = 1e-4


def times(process, count=20_000, unit="us", seed=5):
    return arrival_times(process, np.random.default_rng(seed), count, unit)


def test_units_of_time():
    known = {"ns": 1e9, "us": 1e6, "ms": 1e3, "s": 1, "min": 1 / 60}
    for unit, ticks in known.items():
        assert ticks_per_second(unit) == pytest.approx(ticks, rel=1e-12)
    with pytest.raises(UserError, match="per second"):
        ticks_per_second(Scenario().time_unit)


@pytest.mark.parametrize("cv", [0.3, 1.0, 4.0])
def test_gaps_of_a_rate_are_gamma_with_its_cv(cv):
    gaps = np.diff(times(Rate(rate=2.0, cv=cv))) / SECOND
    law = stats.gamma(1 / cv**2, scale=cv**2 / 2.0)
    assert stats.kstest(gaps[gaps > 1e-4], lambda x: _above(law, x)).pvalue > SURE
    assert gaps.mean() == pytest.approx(0.5, abs=5 * cv * 0.5 / np.sqrt(len(gaps)))


def _above(law, x):
    """The law of gaps that are not too short for whole ticks."""
    least = law.cdf(1e-4)
    return (law.cdf(x) - least) / (1 - least)


def test_a_rate_of_one_kind_is_the_process_of_the_core():
    assert np.array_equal(times(Rate(rate=2.0)), times(Poisson(rate=2e-6)))
    assert np.array_equal(times(Rate(rate=2.0, cv=3.0)), times(GammaArrivals(rate=2e-6, cv=3.0)))


def test_another_unit_only_rounds_otherwise():
    fine, coarse = times(Rate(rate=2.0), unit="ns"), times(Rate(rate=2.0), unit="ms")
    assert np.max(np.abs(fine / 1e6 - coarse)) <= 0.5 + 1e-3


def test_a_profile_has_its_rates_in_its_windows():
    steps = (Step(at=0, rate=1.0), Step(at=10 * SECOND, rate=0.0), Step(at=15 * SECOND, rate=8.0))
    found = times(Profile(steps=steps, period=20 * SECOND), count=50_000)
    place = found % (20 * SECOND)
    periods = found[-1] / (20 * SECOND)
    quiet = np.sum(place < 10 * SECOND)
    none = np.sum((place > 10 * SECOND) & (place < 15 * SECOND))
    assert none == 0
    assert quiet == pytest.approx(10 * periods, abs=5 * np.sqrt(10 * periods))
    assert len(found) - quiet == pytest.approx(40 * periods, abs=5 * np.sqrt(40 * periods))
    within = place[place >= 15 * SECOND]  # uniform in a window, as Poisson arrivals are
    law = stats.uniform(15 * SECOND, 5 * SECOND)
    assert stats.kstest(within, law.cdf).pvalue > SURE


def test_a_profile_without_period_keeps_its_last_rate():
    steps = (Step(at=0, rate=0.0), Step(at=30 * SECOND, rate=4.0))
    found = times(Profile(steps=steps), count=10_000)
    assert found[0] >= 30 * SECOND
    gaps = np.diff(found) / SECOND
    assert stats.kstest(gaps, stats.expon(scale=0.25).cdf).pvalue > SURE


def test_bursts_have_their_mean_rate_and_are_bursty():
    process = Bursts(rate=1.0, peak=20.0, quiet=20 * SECOND, burst=5 * SECOND)
    found = times(process, count=200_000)
    assert len(found) / (found[-1] / SECOND) == pytest.approx(process.mean_rate, rel=0.05)
    counts = np.bincount(found // (10 * SECOND))
    assert counts.var() / counts.mean() > 10  # 1 for Poisson
    silent = Bursts(rate=0.0, peak=20.0, quiet=20 * SECOND, burst=5 * SECOND)
    assert len(times(silent, count=1000)) == 1000


@pytest.mark.parametrize(
    "process",
    [
        Rate(rate=3.0, cv=2.0),
        Bursts(rate=1.0, peak=9.0, quiet=SECOND, burst=SECOND),
        Profile(steps=(Step(at=0, rate=2.0), Step(at=SECOND, rate=5.0)), period=3 * SECOND),
        Deterministic(interval=10),
        TraceArrivals(at=(0, 5, 5, 9)),
    ],
)
def test_times_never_decrease(process):
    found = times(process, count=4)
    assert np.all(np.diff(found) >= 0)
    assert found[0] >= 0
    assert not list(arrival_problems(process, 4, "arrivals"))


@pytest.mark.parametrize(
    ("process", "said"),
    [
        (TraceArrivals(at=(1, 2)), "2 arrivals for 3"),
        (Profile(steps=()), "at least one step"),
        (Profile(steps=(Step(at=5, rate=1.0),)), "must be 0"),
        (Profile(steps=(Step(at=0, rate=1.0), Step(at=0, rate=2.0))), "not after"),
        (Profile(steps=(Step(at=0, rate=0.0),)), "the last rate is 0"),
        (Profile(steps=(Step(at=0, rate=0.0),), period=9), "nothing ever arrives"),
        (Profile(steps=(Step(at=0, rate=1.0), Step(at=9, rate=2.0)), period=9), "not after"),
        (Bursts(rate=1.0, peak=2.0, quiet=0, burst=5), "at least 1 tick"),
    ],
)
def test_what_cannot_be_is_a_problem(process, said):
    assert any(said in str(problem) for problem in arrival_problems(process, 3, "arrivals"))


def test_what_only_a_run_can_see_is_a_user_error():
    with pytest.raises(UserError, match="2 arrivals are recorded"):
        times(TraceArrivals(at=(1, 2)), count=3)
    with pytest.raises(UserError, match="is too low"):
        times(Rate(rate=1e-12), count=3000, unit="ns")
    workload = Random(
        count=2,
        arrivals=Rate(rate=1.0),
        lengths=Separate(prompt=Fixed(tokens=1), output=Fixed(tokens=1)),
    )
    with pytest.raises(UserError, match="time_unit"):
        workload.draw(Streams(0), "tick")
