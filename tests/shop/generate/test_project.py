from itertools import pairwise

import pytest

from hocket.core.errors import InputError
from hocket.shop.check.project import check
from hocket.shop.generate.project import ProGen
from hocket.shop.model import Project
from hocket.shop.policies.project import LFT
from hocket.shop.simulate.project import simulate
from hocket.solvers.network import windows


def reach(project: Project) -> dict[str, set[str]]:
    """Everything that comes after each activity."""
    after: dict[str, set[str]] = {a.name: set() for a in project.activities}
    for activity in reversed(project.activities):
        for lag in project.lags:
            if lag.before == activity.name:
                after[activity.name] |= {lag.after} | after[lag.after]
    return after


@pytest.mark.parametrize("seed", range(15))
def test_projects_are_sound_and_can_be_done(seed: int) -> None:
    generator = ProGen(activities=5 + 2 * seed, modes=1 + seed % 3, nonrenewable=seed % 2)
    project = generator.make(seed)
    assert list(project.problems()) == []
    assert len(project.activities) == 5 + 2 * seed
    assert check(project, simulate(project, LFT())) == []
    assert project == generator.make(seed)
    assert project != generator.make(seed + 100)


@pytest.mark.parametrize("seed", range(10))
def test_no_arc_is_redundant_and_degrees_are_bounded(seed: int) -> None:
    project = ProGen(activities=30, complexity=2.1).make(seed)
    after = reach(project)
    for lag in project.lags:
        detours = [x.after for x in project.lags if x.before == lag.before and x.after != lag.after]
        assert not any(lag.after in after[name] for name in detours)
    for activity in project.activities:
        assert sum(lag.before == activity.name for lag in project.lags) <= 3
        assert sum(lag.after == activity.name for lag in project.lags) <= 3


@pytest.mark.parametrize(("complexity", "least"), [(1.5, 1.0), (1.8, 1.0), (2.1, 0.9)])
def test_the_network_has_the_complexity_asked_for(complexity: float, least: float) -> None:
    """Exactly where three predecessors and successors leave room, else nearly."""
    for seed in range(8):
        project = ProGen(activities=30, complexity=complexity).make(seed)
        heads = {lag.after for lag in project.lags}
        tails = {lag.before for lag in project.lags}
        arcs = len(project.lags) + (30 - len(heads)) + (30 - len(tails))
        assert least * round(complexity * 32) <= arcs <= round(complexity * 32)


@pytest.mark.parametrize("factor", [0.0, 0.25, 0.5, 1.0])
def test_the_resource_factor_is_the_share_of_demands(factor: float) -> None:
    project = ProGen(activities=20, renewable=4, factor=factor).make(3)
    demands = sum(len(a.modes[0].demands) for a in project.activities)
    assert demands == round(factor * 20 * 4)
    if factor >= 0.25:  # one for each activity first
        assert all(a.modes[0].demands for a in project.activities)


@pytest.mark.parametrize("seed", range(6))
def test_the_resource_strength_runs_from_scarce_to_free(seed: int) -> None:
    scarce = ProGen(activities=25, strength=0.0).make(seed)
    for resource in scarce.renewable:
        needs = [a.modes[0].demands.get(resource.name, 0) for a in scarce.activities]
        assert resource.capacity == max(needs)
    free = ProGen(activities=25, strength=1.0).make(seed)
    assert free.activities == scarce.activities  # the same draws whatever the strength
    network = free.network()
    critical = max(
        e + t.shortest for e, t in zip(windows(network).earliest, network.tasks, strict=True)
    )
    assert simulate(free, LFT()).end == critical
    between = ProGen(activities=25, strength=0.5).make(seed)
    for low, middle, high in zip(scarce.renewable, between.renewable, free.renewable, strict=True):
        assert abs(2 * middle.capacity - low.capacity - high.capacity) <= 1


def test_stock_strength_runs_from_the_cheapest_to_any_choice() -> None:
    for strength, pick in ((0.0, min), (1.0, max)):
        project = ProGen(
            activities=12, modes=3, nonrenewable=2, stock_factor=1.0, stock_strength=strength
        ).make(4)
        for resource in project.consumed:
            needs = [
                pick(m.demands.get(resource.name, 0) for m in a.modes) for a in project.activities
            ]
            assert resource.capacity == sum(needs)


def test_no_mode_is_dominated() -> None:
    project = ProGen(activities=20, modes=3, factor=0.5).make(2)
    names = [r.name for r in project.resources]
    for activity in project.activities:
        modes = activity.modes
        assert [m.duration for m in modes] == sorted({m.duration for m in modes})
        for shorter, longer in pairwise(modes):
            pairs = [(shorter.demands.get(n, 0), longer.demands.get(n, 0)) for n in names]
            assert all(a >= b for a, b in pairs)
            assert any(a > b for a, b in pairs)


def test_golden_project() -> None:
    """The same seed gives the same project for ever."""
    project = ProGen(activities=4, renewable=2, modes=2).make(0)
    told = [[(m.duration, sorted(m.demands.items())) for m in a.modes] for a in project.activities]
    assert (told, [(x.before, x.after) for x in project.lags]) == GOLDEN


GOLDEN = (
    [
        [(3, [("R1", 6)]), (7, [("R1", 4)])],
        [(2, [("R1", 9)]), (6, [("R1", 7)])],
        [(1, [("R2", 7)]), (6, [("R2", 5)])],
        [(8, [("R2", 10)]), (10, [("R2", 1)])],
    ],
    [("1", "2"), ("1", "4"), ("2", "3")],
)


def test_wrong_parameters_are_refused() -> None:
    with pytest.raises(InputError, match="11 modes of different durations"):
        ProGen(modes=11)
    with pytest.raises(InputError) as caught:
        ProGen(activities=0, strength=1.5)
    assert {problem.path for problem in caught.value.problems} == {"activities", "strength"}
