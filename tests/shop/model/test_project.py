import msgspec
import pytest

from hocket.shop.model import Activity, Lag, Mode, Project, Resource
from hocket.shop.model.project import find_cycle
from hocket.solvers.network import Link

ONE = (Mode(duration=1),)


def paths(project: Project) -> dict[str, str]:
    return {problem.path: problem.message for problem in project.problems()}


def test_a_sound_project_has_no_problems() -> None:
    project = Project(
        activities=(Activity(name="a", modes=ONE), Activity(name="b", modes=ONE, due=9)),
        lags=(Lag(before="a", after="b"),),
        objective="total_tardiness",
    )
    assert paths(project) == {}


def test_everything_wrong_is_found_at_once() -> None:
    project = Project(
        activities=(
            Activity(name="a", modes=()),
            Activity(name="b", modes=(Mode(duration=1, demands={"crw": 1}),), release=5, due=4),
            Activity(name="c", modes=(Mode(duration=1, demands={"crew": 9}),)),
            Activity(name="d", modes=(*ONE, Mode(duration=2, name="mode 1"))),
        ),
        resources=(Resource(name="crew", capacity=2),),
        lags=(
            Lag(before="a", after="x"),
            Lag(before="b", after="b"),
            Lag(before="b", after="c", least=3, most=2),
        ),
    )
    found = paths(project)
    assert found["activities[0].modes"] == "activity 'a' has no mode"
    assert found["activities[1].modes[0].demands"].endswith("did you mean 'crew'?")
    assert "before its release" in found["activities[1].due"]
    assert "more than any capacity" in found["activities[2]"]
    assert "'mode 1' occurs 2 times" in found["activities[3].modes"]
    assert found["lags[0].after"].startswith("unknown activity 'x'")
    assert found["lags[1]"] == "a lag ties activity 'b' to itself"
    assert found["lags[2].most"] == "2 is below least, 3"


def test_a_circle_of_precedences_is_a_problem_and_one_of_lags_is_not() -> None:
    activities = tuple(Activity(name=n, modes=ONE) for n in "abc")
    circle = tuple(Lag(before=x, after=y) for x, y in ("ab", "bc", "ca"))
    assert paths(Project(activities=activities, lags=circle))["lags"] == (
        "precedences form a cycle: a -> b -> c -> a"
    )
    back = (*circle[:2], Lag(before="c", after="a", least=-3))
    project = Project(activities=activities, lags=back)
    assert paths(project) == {}
    assert project.lag_contradiction() == ""


def test_no_activity_is_a_problem() -> None:
    assert paths(Project(activities=()))["activities"] == "there is no activity"


def test_labels_tell_modes_apart() -> None:
    assert Activity(name="a", modes=ONE).label(0) == "a"
    two = Activity(name="a", modes=(Mode(duration=1, name="fast"), Mode(duration=2)))
    assert [two.label(0), two.label(1)] == ["fast", "mode 2"]


def test_the_network_has_both_sides_of_a_lag() -> None:
    project = Project(
        activities=(
            Activity(name="a", modes=(Mode(duration=2, demands={"money": 3, "crew": 1}),)),
            Activity(name="b", modes=ONE, release=4, due=7, weight=2),
        ),
        resources=(
            Resource(name="money", capacity=5, renewable=False),
            Resource(name="crew", capacity=2),
        ),
        lags=(Lag(before="a", after="b", least=1, most=6, since="start", of="finish"),),
    )
    network = project.network()
    assert network.links == (
        Link(0, 1, 1, since="start", of="finish"),
        Link(1, 0, -6, since="finish", of="start"),
    )
    assert (network.capacity, network.stock) == ((2,), (5,))
    assert (network.tasks[0].modes[0].use, network.tasks[0].modes[0].spend) == ((1,), (3,))
    assert (network.tasks[1].release, network.tasks[1].due, network.tasks[1].weight) == (4, 7, 2)


def test_numbers_beyond_the_limits_are_refused() -> None:
    for field in ("least", "most"):
        with pytest.raises(msgspec.ValidationError, match=field):
            msgspec.convert({"before": "a", "after": "b", field: 2**50}, Lag)


def test_find_cycle() -> None:
    assert find_cycle({"a": ["b"], "b": ["c"], "c": []}) == []
    assert find_cycle({"a": ["b"], "b": ["c"], "c": ["b"]}) == ["b", "c", "b"]
    chain = {str(i): [str(i + 1)] for i in range(5000)} | {"5000": []}
    assert find_cycle(chain) == []
