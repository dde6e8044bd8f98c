"""Policies and rooms of a domain that each break one promise."""

from __future__ import annotations

import random
from typing import Any, ClassVar

import msgspec

from hocket.core.domain import Generator
from hocket.core.policy import Policy
from hocket.core.timeline import Timeline
from hocket.shop.dispatch import ShopView, Start
from tests.testing.toy import world
from tests.testing.toy.world import Boxes

CALLS: list[int] = []


class Taking(Policy, frozen=True):
    """Takes the first candidate: nothing is wrong with it."""

    name: ClassVar[str] = "shop/taking"
    problems: ClassVar[tuple[str, ...]] = ("shop/job-shop",)

    def begin(self, scenario: Any, streams: Any) -> Any:
        return self

    def dispatch(self, view: ShopView) -> Start | None:
        return Start(view.candidates[0])


class ChangesTheView(Taking, frozen=True):
    """Leaves one candidate only."""

    def dispatch(self, view: ShopView) -> Start:
        view.candidates = view.candidates[:1]
        return Start(view.candidates[0])


class ChangesAList(Taking, frozen=True):
    """Renames a job, deep in what the view shows."""

    def dispatch(self, view: ShopView) -> Start:
        view.arrays.jobs[0] = "mine"
        return Start(view.candidates[0])


class ChangesTheScenario(Taking, frozen=True):
    """Renames the scenario."""

    def begin(self, scenario: Any, streams: Any) -> Any:
        msgspec.structs.force_setattr(scenario, "name", "renamed")
        return self


class ByHash(Taking, frozen=True):
    """Takes whatever a set of texts yields first."""

    def dispatch(self, view: ShopView) -> Start:
        names = {view.arrays.operations[o] for o in view.candidates}
        return Start(view.arrays.operations.index(next(iter(names))))


class ByChance(Taking, frozen=True):
    """Asks Python's own random numbers."""

    def dispatch(self, view: ShopView) -> Start:
        return Start(random.choice(view.candidates))


class ByHistory(Taking, frozen=True):
    """Counts its calls for ever."""

    def dispatch(self, view: ShopView) -> Start:
        CALLS.append(1)
        return Start(view.candidates[len(CALLS) % len(view.candidates)])


class KeepsState(Taking, frozen=True):
    """Remembers the run in its class: alone it does well, as it starts afresh."""

    turn: ClassVar[list[int]] = [0]

    def begin(self, scenario: Any, streams: Any) -> Any:
        self.turn[0] = 0
        return self

    def dispatch(self, view: ShopView) -> Start:
        self.turn[0] += 1
        return Start(view.candidates[self.turn[0] % len(view.candidates)])


class Illegal(Taking, frozen=True):
    """Starts what does not exist."""

    def dispatch(self, view: ShopView) -> Start:
        return Start(10**6)


class Idle(Taking, frozen=True):
    """Never starts anything."""

    def dispatch(self, view: ShopView) -> Start | None:
        return None


class Crashing(Taking, frozen=True):
    """Looks for what is not there."""

    def dispatch(self, view: ShopView) -> Start:
        return Start({}["nothing"])


class Nameless(Taking, frozen=True):
    """Has a name without domain."""

    name: ClassVar[str] = "nameless"


class Homeless(Taking, frozen=True):
    """Handles no problem."""

    problems: ClassVar[tuple[str, ...]] = ()


class Silent(Taking, frozen=True):
    __doc__ = ""


class Demanding(Taking, frozen=True):
    """Has a field without default."""

    k: int


class Doubling(Taking, frozen=True):
    """Is not what it was told to be."""

    k: int = 1

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "k", self.k * 2)


class Elsewhere(Taking, frozen=True):
    """Is made for a problem that no generator makes."""

    problems: ClassVar[tuple[str, ...]] = ("shop/nothing",)


# Rooms of the toy domain.


def simulate_without_seed(scenario: Boxes, policy: Any) -> Timeline:
    return world.simulate(scenario, policy)


def simulate_writeable(
    scenario: Boxes, policy: Any, *, seed: int = 0, kernel: Any = None
) -> Timeline:
    return world.play(scenario, policy, seed, kernel, writeable=True)


def simulate_backwards(
    scenario: Boxes, policy: Any, *, seed: int = 0, kernel: Any = None
) -> Timeline:
    return world.play(scenario, policy, seed, kernel, clock=lambda now: 1000 - now)


def simulate_losing(scenario: Boxes, policy: Any, *, seed: int = 0, kernel: Any = None) -> Timeline:
    return world.play(scenario, policy, seed, kernel, lose=2)


def check_nothing(scenario: Boxes, timeline: Timeline) -> list[Any]:
    return []


def check_names(scenario: Boxes, timeline: Timeline) -> list[Any]:
    """Sees what is missing, but no times."""
    spans = list(timeline.spans("run"))
    whole = sorted(s.group for s in spans) == sorted(f"box {b}" for b in range(len(scenario.sizes)))
    return [] if whole else ["boxes"]


def metrics_without_objective(scenario: Boxes, timeline: Timeline) -> dict[str, float]:
    return {"total_wait": 0.0}


def metrics_not_finite(scenario: Boxes, timeline: Timeline) -> dict[str, float]:
    return world.metrics(scenario, timeline) | {"share": float("nan")}


class Heedless(world.Pile, frozen=True):
    """Always the same pile."""

    def make(self, seed: int = 0) -> Boxes:
        return Boxes(name="heedless", sizes=(3, 1, 2))


class Fickle(world.Pile, frozen=True):
    """Another pile each time."""

    def make(self, seed: int = 0) -> Boxes:
        CALLS.append(1)
        return Boxes(name="fickle", sizes=(len(CALLS), 1))


HEEDLESS: tuple[type[Generator], ...] = (Heedless,)
FICKLE: tuple[type[Generator], ...] = (Fickle,)
TWICE: tuple[type[Generator], ...] = (world.Pile, world.Pile)

FORGETFUL = (
    msgspec.structs.replace(
        world.FORMAT,
        read=lambda text, name: Boxes(name=name, sizes=world.read(text, name).sizes[1:]),
    ),
)
UNKNOWN = (msgspec.structs.replace(world.FORMAT, sniff=lambda name, head: False),)
FRAGILE = (msgspec.structs.replace(world.FORMAT, write=lambda scenario: scenario.missing),)
