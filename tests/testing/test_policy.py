import pickle
from typing import ClassVar

import numpy as np
import pytest

from hocket.core.errors import UnknownName
from hocket.core.run import run
from hocket.core.streams import Streams
from hocket.core.timeline import Span, Timeline
from hocket.shop.generate import Blocking, Taillard
from hocket.shop.policies.plans import FollowPlan, GifflerThompson
from hocket.shop.policies.rules import ATC, SPT, Random
from hocket.testing import (
    ConfigurationError,
    ConformanceError,
    ConservationError,
    DecisionError,
    IsolationError,
    MutationError,
    ReplayError,
    check_policy,
)
from hocket.testing.policy import _check_conservation
from hocket.testing.watch import Watched
from tests.testing import broken

SMALL = (Taillard(jobs=7, machines=2).make(1),)


def test_a_built_in_policy_passes_and_the_report_says_what_was_checked():
    report = check_policy("shop/random")
    text = str(report)
    assert text.startswith("shop/random: 8 checks passed\n")
    for word in ("configuration", "feasible", "unchanged", "clock", "isolation", "PYTHONHASHSEED"):
        assert word in text
    assert report.skipped == ()


def test_a_policy_of_ones_own_passes_without_being_registered():
    assert check_policy(broken.Taking(), SMALL).subject == "shop/taking"


def test_fields_travel_along():
    assert check_policy(ATC(k=3.5), SMALL, seeds=(7,)).subject == "shop/atc(k=3.5)"


def test_a_plan_passes_on_the_scenario_that_it_is_made_for():
    plan = FollowPlan.of(run(SMALL[0], SPT()).timeline)
    assert "runs: 2, on 1 scenarios" in str(check_policy(plan, SMALL))


def test_what_a_policy_refuses_is_skipped_and_told():
    report = check_policy(GifflerThompson(), (*SMALL, Blocking(jobs=3, machines=3).make(0)))
    assert len(report.skipped) == 1
    assert "where jobs may wait" in report.skipped[0]
    assert "  skip  shop/gt on blocking" in str(report)


BROKEN = [
    (broken.ChangesTheView(), MutationError, r"changed ShopView\.candidates at decision"),
    (broken.ChangesAList(), MutationError, r"changed ShopView\.arrays at decision 1"),
    (broken.ChangesTheScenario(), MutationError, "changed its scenario"),
    (broken.ByHash(), ReplayError, "gives another timeline .*order of a set"),
    (broken.ByChance(), ReplayError, "when repeated in the same process"),
    (broken.ByHistory(), ReplayError, "when repeated in the same process"),
    (broken.KeepsState(), IsolationError, r"two runs at a time share state; .* begin\(\) returns"),
    (
        broken.Illegal(),
        DecisionError,
        "illegal decision on taillard-7x2-1 with seed 0: shop/taking",
    ),
    (broken.Idle(), DecisionError, "leaves work undone on taillard-7x2-1 with seed 0"),
    (broken.Crashing(), DecisionError, "fails on taillard-7x2-1 with seed 0 with KeyError"),
    (broken.Nameless(), ConfigurationError, "'nameless'; it reads domain/policy"),
    (broken.Homeless(), ConfigurationError, r"Homeless\.problems is empty"),
    (broken.Silent(), ConfigurationError, "Silent has no docstring"),
    (broken.Demanding(k=1), ConfigurationError, "fields without default: k"),
    (broken.Doubling(), ConfigurationError, "when written as data and read back"),
]


@pytest.mark.parametrize(
    ("policy", "error", "told"), BROKEN, ids=[type(policy).__name__ for policy, _, _ in BROKEN]
)
def test_each_broken_promise_is_caught(policy, error, told):
    assert issubclass(error, ConformanceError)
    assert issubclass(error, AssertionError)
    with pytest.raises(error, match=told):
        check_policy(policy, (Taillard(jobs=7, machines=2).make(1),))


def test_a_policy_that_only_this_process_knows_cannot_be_sent():
    class Local(broken.Taking, frozen=True):
        """Lives in a function."""

        name: ClassVar[str] = "shop/local"

    with pytest.raises(ConfigurationError, match="cannot be pickled"):
        check_policy(Local(), SMALL)


def test_a_policy_with_nothing_to_do_is_told_so():
    with pytest.raises(DecisionError, match=r"no generator makes a shop/nothing.*pass scenarios"):
        check_policy(broken.Elsewhere())
    with pytest.raises(DecisionError, match=r"was given nothing that it handles .*buffers"):
        check_policy(GifflerThompson(), (Blocking(jobs=3, machines=3).make(0),))


def test_unknown_names_are_as_everywhere():
    with pytest.raises(UnknownName, match="did you mean 'shop/spt'"):
        check_policy("shop/spd")


def test_errors_survive_a_worker_process():
    error = pickle.loads(pickle.dumps(ReplayError("told")))
    assert isinstance(error, ReplayError)
    assert str(error) == "told"


def test_other_seeds_are_other_runs():
    assert "runs: 3, on 1 scenarios" in str(check_policy(Random(), SMALL, seeds=(4, 5, 6)))


def recorded(*runs, arrivals=()):
    timeline = Timeline()
    for group, start, end in runs:
        timeline.span("run", "m0", group, "step", start, end)
    for group in arrivals:
        timeline.point("arrive", "", group, "", 0)
    return timeline


@pytest.mark.parametrize(
    ("timeline", "told"),
    [
        (recorded(), "nothing ever runs"),
        (recorded(("a", 0, 2), arrivals=("a", "b")), "b arrived but never runs"),
        (recorded(("a", 0, 2), ("c", 2, 3), arrivals=("a",)), "c runs but never arrived"),
        (recorded(("a", 0, 2), arrivals=("a", "a")), "a arrives more than once"),
        (recorded(("a", 0, 4), ("a", 3, 5)), "step of a runs twice at a time"),
    ],
)
def test_work_is_counted_whatever_the_checker_says(timeline, told):
    with pytest.raises(ConservationError, match=told):
        _check_conservation(SPT(), SMALL[0], timeline)
    _check_conservation(SPT(), SMALL[0], recorded(("a", 0, 2), ("a", 2, 3), arrivals=("a",)))


def test_what_the_world_refuses_need_not_run():
    timeline = recorded(("a", 0, 2), arrivals=("a", "b"))
    timeline.point("reject", "", "b", "", 0, "too long")
    _check_conservation(SPT(), SMALL[0], timeline)


class Roles:
    """A decider that holds one, makes others, and answers with plain things."""

    name = "toy/roles"

    class Part:
        limits = (1, 2)

        def pick(self, view):
            view.append("changed")

    def __init__(self):
        self.front, self.empty = self.Part(), None

    def begin(self, scenario, streams):
        return self

    def part(self, name):
        return self.Part()

    def policy(self):
        return SPT()

    def plain(self):
        return [(1, "a"), {"b": 2.0}, np.arange(3), Span("run", "m", "j", "o", 0, 1), SMALL[0]]


def test_deciders_within_a_decider_are_watched_and_nothing_else_is():
    watched = Watched(Roles())
    decider = watched.begin(None, None)
    assert decider.empty is None
    assert decider.part("a").limits == (1, 2)
    for found, given in zip(decider.plain(), Roles().plain(), strict=True):
        assert type(found) is type(given)
    assert decider.policy().begin(SMALL[0], Streams(0)).dispatch  # a policy may decide itself
    assert watched.decisions == 4
    for part in (decider.front, decider.part("b")):
        with pytest.raises(MutationError, match=r"changed Pad\.lines"):
            part.pick(Pad())


class Pad:
    """A view that lets itself be written on."""

    def __init__(self):
        self.lines = ()

    def append(self, line):
        self.lines += (line,)
