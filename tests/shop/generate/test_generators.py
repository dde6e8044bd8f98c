"""The seeded generators: sound, reproducible, and what their parameters say."""

import statistics

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from hocket.core.disturb.arrivals import TraceArrivals
from hocket.core.domain import Generator
from hocket.core.errors import InputError
from hocket.core.scenario import Scenario
from hocket.shop.generate import GENERATORS
from hocket.shop.generate.demirkol import Demirkol
from hocket.shop.generate.disrupted import Disrupted
from hocket.shop.generate.random_shops import Blocking, Flexible, Setups
from hocket.shop.generate.single import PottsVanWassenhove
from hocket.shop.generate.taillard import Taillard

SMALL = st.integers(1, 8)
SEEDS = st.integers(0, 2**64)


def jobs_of(scenario: Scenario) -> list:
    return list(getattr(scenario, "jobs", ()))


@pytest.mark.parametrize("kind", GENERATORS, ids=lambda kind: kind.name)
def test_conventions(kind: type[Generator]) -> None:
    first = kind().make(7)
    assert kind.name and kind.source and first.name
    assert list(first.problems()) == []
    assert kind().make(7) == first
    assert msgspec.structs.replace(kind().make(8), name=first.name) != first
    assert msgspec.json.decode(msgspec.json.encode(first), type=type(first)) == first


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, jobs=SMALL, machines=SMALL, data=st.data())
def test_every_combination_is_sound(
    seed: int, jobs: int, machines: int, data: st.DataObject
) -> None:
    fewest = data.draw(SMALL)
    made = [
        Taillard(jobs=jobs, machines=machines),
        Demirkol(jobs=jobs, machines=machines, two_sets=data.draw(st.booleans())),
        Blocking(jobs=jobs, machines=machines, swap=data.draw(st.booleans())),
        Setups(jobs=jobs, machines=machines, families=data.draw(SMALL)),
        PottsVanWassenhove(jobs=jobs, tf=data.draw(st.floats(0, 1))),
        Flexible(
            jobs=jobs,
            machines=machines,
            fewest=fewest,
            most=fewest + data.draw(st.integers(0, 3)),
            alternatives=data.draw(st.integers(1, machines)),
            spread=data.draw(st.floats(0, 0.9)),
        ),
        Disrupted(
            jobs=jobs,
            machines=machines,
            utilization=data.draw(st.sampled_from([0.0, 0.5, 0.95])),
            availability=data.draw(st.sampled_from([1.0, 0.9])),
            shifts=data.draw(st.sampled_from([1, 2, 3])),
        ),
    ]
    for generator in made:
        scenario = generator.make(seed)
        assert list(scenario.problems()) == []
        assert len(jobs_of(scenario)) == jobs


def test_durations_fill_their_range() -> None:
    """U[1, 99] and U[1, 200]: both ends occur and the mean is near the middle."""
    for generator, high in ((Taillard(jobs=100), 99), (Demirkol(jobs=200), 200)):
        drawn = [o.duration for j in generator.make(1).jobs for o in j.operations]
        assert (min(drawn), max(drawn)) == (1, high)
        assert abs(statistics.mean(drawn) - (1 + high) / 2) < high / 40


def test_blocking_is_taillards_instance() -> None:
    plain = Taillard(jobs=4, machines=3).make(5)
    for swap, kind in ((True, "swap"), (False, "no-swap")):
        shop = Blocking(jobs=4, machines=3, swap=swap).make(5)
        assert shop.blocking == kind
        assert (shop.jobs, shop.machines) == (plain.jobs, plain.machines)


def test_spread_bounds_the_differences_between_machines() -> None:
    for spread in (0.0, 0.3):
        shop = Flexible(jobs=40, spread=spread, longest=1000).make(2)
        ratios = [
            max(c.duration for c in o.choices()) / min(c.duration for c in o.choices())
            for j in shop.jobs
            for o in j.operations
        ]
        assert max(ratios) <= (1 + spread) / (1 - spread) * 1.2
        assert (max(ratios) > 1) == (spread > 0)
    assert {len(o.choices()) for j in shop.jobs for o in j.operations} == {1, 2, 3}
    assert {len(j.operations) for j in shop.jobs} == {5, 6, 7}


def test_setups_lie_between_all_families_on_all_machines() -> None:
    shop = Setups(jobs=6, machines=2, families=3, ratio=0.1).make(0)
    assert len(shop.setups) == 2 * 3 * 2
    assert all(1 <= s.duration <= 10 and s.before != s.after for s in shop.setups)
    assert {o.family for o in shop.jobs[4].operations} == {"f1"}


def test_arrivals_keep_the_machines_busy_as_asked() -> None:
    """The mean gap is that at which work comes in at `utilization` of what can be done."""
    shop = Disrupted(jobs=3000, machines=1, utilization=0.9, availability=0.8, shifts=2).make(3)
    assert isinstance(shop.arrivals, TraceArrivals)
    gap = shop.arrivals.at[-1] / 3000
    assert gap == pytest.approx(50 / (0.9 * 0.8 * 2 / 3), rel=0.06)


def test_disturbances_can_be_switched_off() -> None:
    shop = Disrupted(utilization=0, availability=1, variation=0, objective="makespan").make(0)
    assert shop.classic and shop.certain


def test_due_dates_by_total_work() -> None:
    shop = Disrupted(jobs=5, tightness=2.0).make(4)
    assert isinstance(shop.arrivals, TraceArrivals)
    for job, arrival in zip(shop.jobs, shop.arrivals.at, strict=True):
        assert job.due == arrival + 2 * sum(o.duration for o in job.operations)


def test_availability_is_that_of_the_breakdowns() -> None:
    shop = Disrupted(availability=0.95, repair=5.0).make(0)
    breakdowns = shop.machines[0].breakdowns
    assert breakdowns is not None
    assert breakdowns.availability == pytest.approx(0.95)
    assert breakdowns.mean_down == 250


def test_wrong_fields_are_all_named() -> None:
    with pytest.raises(InputError, match=r"jobs.*\n.*machines") as caught:
        Taillard(jobs=0, machines="two")  # type: ignore[arg-type]
    assert len(caught.value.problems) == 2
    with pytest.raises(InputError, match="fewest: 5 operations is more than most, 4"):
        Flexible(fewest=5, most=4)
    with pytest.raises(InputError, match="alternatives: 3 of 2 machines"):
        Flexible(machines=2)
    with pytest.raises(msgspec.ValidationError, match="jobs"):
        msgspec.convert({"jobs": -1}, Taillard)
