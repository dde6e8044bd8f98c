from hocket.core.timeline import Timeline
from hocket.shop.check.single import check
from hocket.shop.generate import PottsVanWassenhove
from hocket.shop.model import SingleJob, SingleMachine
from hocket.shop.policies.rules import POLICIES
from hocket.shop.simulate.single import simulate

WORLD = SingleMachine(jobs=(SingleJob(name="a", duration=3), SingleJob(name="b", duration=2)))


def record(*runs):
    timeline = Timeline()
    for group, start, end in runs:
        timeline.span("run", "machine", group, f"{group}.0", start, end)
    return timeline


def test_faults_are_named():
    assert check(WORLD, record(("b", 0, 2), ("a", 2, 5))) == []
    assert [v.rule for v in check(WORLD, record(("b", 0, 2), ("a", 1, 4)))] == ["capacity"]
    assert [v.rule for v in check(WORLD, record(("b", 0, 2)))] == ["missing"]
    assert [v.rule for v in check(WORLD, record(("b", 0, 3), ("a", 3, 6)))] == ["duration"]
    assert [v.rule for v in check(WORLD, record(("b", 0, 1), ("b", 4, 5), ("a", 1, 4)))]


def test_every_rule_passes():
    world = PottsVanWassenhove(jobs=12).make(1)
    for kind in POLICIES:
        assert check(world, simulate(world, kind(), seed=2)) == []
