"""Priority rules for projects: the eligible activity of least value starts first.

Run by the simulator they are the parallel schedule generation scheme: at each instant, in the order
of the rule, whatever fits is started. Names and definitions follow Kolisch, "Serial and parallel
resource-constrained project scheduling methods revisited: theory and computation", European
Journal of Operational Research 90 (1996), section 3, unless a rule says otherwise. Latest times are
those of the critical path method with the shortest modes. Ties go to the activity listed first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.shop.model.project import Project
from hocket.shop.simulate.project import Begin, ProjectScheduler, ProjectView
from hocket.solvers.mode_choice import thrifty_modes
from hocket.solvers.network import Network, TaskMode

ModeRule = Literal["shortest", "least-share"]
Pair = tuple[int, int]


class ProjectRule(Policy, frozen=True, kw_only=True):
    """A rule that ranks the eligible activities by one value.

    `mode` says which of an activity's modes that fit now is taken: the ``shortest``, or the one
    with the ``least-share`` of the capacities (demand by capacity, summed; ties: the shortest).
    Modes after which the non-renewable resources might not suffice are left out.

    With `lags_first`, activities that a running maximum time lag gives a last start go before all
    others, the most urgent first; without maximum lags that changes nothing.
    """

    problems: ClassVar[tuple[str, ...]] = ("shop/project",)

    mode: ModeRule = "shortest"
    lags_first: bool = True

    def priorities(self, view: ProjectView, pairs: list[Pair]) -> Sequence[float]:
        """The value of every (activity, mode) of `pairs`, in their order; the least goes first."""
        raise NotImplementedError(f"{type(self).__name__} has no priorities(view, pairs)")

    def begin(self, scenario: Project, streams: Streams) -> ProjectScheduler:
        """See Policy.begin."""
        return _ByPriority(self, scenario.network())


class _ByPriority:
    """Picks the mode of every eligible activity, then the activity."""

    def __init__(self, rule: ProjectRule, network: Network) -> None:
        self.rule = rule
        self.label = rule.name.rpartition("/")[2]
        self.modes = _Modes(rule.mode, network)

    def choose(self, view: ProjectView) -> Begin | None:
        pairs = self.modes.pick(view)
        if not pairs:
            return None
        if self.rule.lags_first and (urgent := _most_urgent(view, pairs)):
            self.modes.begun(urgent.activity)
            return urgent
        values = self.rule.priorities(view, pairs)
        best = min(range(len(pairs)), key=lambda n: values[n])
        activity, mode = pairs[best]
        self.modes.begun(activity)
        if len(pairs) == 1:
            return Begin(activity, mode, "the only one that fits")
        return Begin(activity, mode, f"{self.label} {values[best]:g}, least of {len(pairs)}")


def _most_urgent(view: ProjectView, pairs: list[Pair]) -> Begin | None:
    """The start of the activity with the earliest last start; None if none has one."""
    latest = view.latest
    bounds = [(last, i, k) for i, k in pairs if (last := latest[i]) is not None]
    if not bounds:
        return None
    last, activity, mode = min(bounds)
    return Begin(activity, mode, f"has to start by {last}")


class _Modes:
    """The choice of modes: by the rule, as long as a choice for all the rest stays affordable.

    A choice that the stocks allow is searched for at the outset. A mode is taken only if, with it,
    the rest could still be done as found then; so the stocks never run out before the end.
    """

    def __init__(self, rule: ModeRule, network: Network) -> None:
        self.rule, self.network = rule, network
        plan = thrifty_modes(network) if network.stock else None
        self.planned: list[tuple[int, ...]] = []
        if plan is not None:
            tasks = network.tasks
            self.planned = [t.modes[k].spend for t, k in zip(tasks, plan, strict=True)]
        self.reserve = [sum(column) for column in zip(*self.planned, strict=True)]

    def pick(self, view: ProjectView) -> list[Pair]:
        """One (activity, mode) for every activity that can start, in their order."""
        left = view.left if self.planned else ()
        best: dict[int, tuple[float, int, int]] = {}
        for i, k in view.eligible:
            mode = self.network.tasks[i].modes[k]
            if self.planned and not self._affordable(i, mode, left):
                continue
            value = (self._share(mode), mode.duration, k)
            if i not in best or value < best[i]:
                best[i] = value
        return [(i, k) for i, (_, _, k) in best.items()]

    def begun(self, activity: int) -> None:
        """The activity starts: nothing is kept back for it any more."""
        if self.planned:
            spend = self.planned[activity]
            self.reserve = [r - s for r, s in zip(self.reserve, spend, strict=True)]

    def _affordable(self, i: int, mode: TaskMode, left: tuple[int, ...]) -> bool:
        return all(
            spend + reserve - own <= stock
            for spend, reserve, own, stock in zip(
                mode.spend, self.reserve, self.planned[i], left, strict=True
            )
        )

    def _share(self, mode: TaskMode) -> float:
        if self.rule == "shortest":
            return 0.0
        capacity = self.network.capacity
        return sum(use / cap for use, cap in zip(mode.use, capacity, strict=True) if use)


class ProjectFIFO(ProjectRule, frozen=True, kw_only=True):
    """First in, first out: the activity whose predecessors were done first."""

    name: ClassVar[str] = "shop/project-fifo"

    def priorities(self, view: ProjectView, pairs: list[Pair]) -> Sequence[float]:
        """See ProjectRule.priorities."""
        return [view.ready(i, k) for i, k in pairs]


class ProjectSPT(ProjectRule, frozen=True, kw_only=True):
    """Shortest processing time: the activity of least duration in the chosen mode."""

    name: ClassVar[str] = "shop/project-spt"
    source: ClassVar[str] = "Davis & Patterson, Management Science 21 (1975)"

    def priorities(self, view: ProjectView, pairs: list[Pair]) -> Sequence[float]:
        """See ProjectRule.priorities."""
        return [view.network.tasks[i].modes[k].duration for i, k in pairs]


class LFT(ProjectRule, frozen=True, kw_only=True):
    """Latest finish time: the activity that has to be finished first."""

    name: ClassVar[str] = "shop/lft"
    source: ClassVar[str] = "Davis & Patterson, Management Science 21 (1975)"

    def priorities(self, view: ProjectView, pairs: list[Pair]) -> Sequence[float]:
        """See ProjectRule.priorities."""
        return [view.figures.latest_finish[i] for i, _ in pairs]


class LST(ProjectRule, frozen=True, kw_only=True):
    """Latest start time: the activity that has to be started first."""

    name: ClassVar[str] = "shop/lst"
    source: ClassVar[str] = "Alvarez-Valdés & Tamarit, Advances in Project Scheduling (1989)"

    def priorities(self, view: ProjectView, pairs: list[Pair]) -> Sequence[float]:
        """See ProjectRule.priorities."""
        return [view.figures.latest_start[i] for i, _ in pairs]


class MSLK(ProjectRule, frozen=True, kw_only=True):
    """Minimum slack: the activity with the least time left until it has to be started.

    The slack is dynamic: from now to the latest start, which maximum time lags that have begun to
    run bring forward. Without such lags the order is that of the latest start time, since all
    eligible activities could start now.
    """

    name: ClassVar[str] = "shop/mslk"
    source: ClassVar[str] = "Davis & Patterson, Management Science 21 (1975)"

    def priorities(self, view: ProjectView, pairs: list[Pair]) -> Sequence[float]:
        """See ProjectRule.priorities."""
        starts, lags, now = view.figures.latest_start, view.latest, view.now
        bounds = ((starts[i], lags[i]) for i, _ in pairs)
        return [(start if lag is None else min(start, lag)) - now for start, lag in bounds]


class MTS(ProjectRule, frozen=True, kw_only=True):
    """Most total successors: the activity on which most others depend, directly or not."""

    name: ClassVar[str] = "shop/mts"
    source: ClassVar[str] = "Alvarez-Valdés & Tamarit, Advances in Project Scheduling (1989)"

    def priorities(self, view: ProjectView, pairs: list[Pair]) -> Sequence[float]:
        """See ProjectRule.priorities."""
        return [-view.figures.successors[i] for i, _ in pairs]


class GRPW(ProjectRule, frozen=True, kw_only=True):
    """Greatest rank positional weight: own duration plus those of the immediate successors."""

    name: ClassVar[str] = "shop/grpw"
    source: ClassVar[str] = "Alvarez-Valdés & Tamarit, Advances in Project Scheduling (1989)"

    def priorities(self, view: ProjectView, pairs: list[Pair]) -> Sequence[float]:
        """See ProjectRule.priorities."""
        return [-view.figures.positional_weight[i] for i, _ in pairs]


class WCS(ProjectRule, frozen=True, kw_only=True):
    """Worst case slack: what is left until the latest start if the worst rival goes first.

    For every rival, the earliest time at which resources would let the activity follow it; the
    slack is counted from the latest of those times.
    """

    name: ClassVar[str] = "shop/wcs"
    source: ClassVar[str] = "Kolisch, Journal of Operations Management 14 (1996)"

    def priorities(self, view: ProjectView, pairs: list[Pair]) -> Sequence[float]:
        """See ProjectRule.priorities."""
        modes = [view.network.tasks[i].modes[k] for i, k in pairs]
        releases = _Releases(view)
        return [
            view.figures.latest_start[i]
            - max(
                (releases.follow(first, second) for m, first in enumerate(modes) if m != n),
                default=view.now,
            )
            for n, ((i, _), second) in enumerate(zip(pairs, modes, strict=True))
        ]


class _Releases:
    """What is free of every resource from now on, as the running activities end."""

    def __init__(self, view: ProjectView) -> None:
        self.now = view.now
        free = view.free
        self.steps = [(view.now, free)]  # (time, what is free from then on)
        for run in sorted(view.running, key=lambda run: run.end):
            if run.end == view.now:  # without duration, it takes nothing
                continue
            use = view.network.tasks[run.activity].modes[run.mode].use
            free = tuple(f + u for f, u in zip(free, use, strict=True))
            self.steps.append((run.end, free))

    def follow(self, first: TaskMode, second: TaskMode) -> int:
        """The earliest time at which `second` fits if `first` starts now."""
        end = self.now + first.duration
        for time, free in self.steps:
            if time >= end:
                break
            if all(a + b <= f for a, b, f in zip(first.use, second.use, free, strict=True)):
                return time
        # While `first` ran there was no room; from its end on it takes nothing any more.
        return next(
            max(time, end)
            for n, (time, free) in enumerate(self.steps)
            if (n + 1 == len(self.steps) or self.steps[n + 1][0] > end)
            and all(use <= f for use, f in zip(second.use, free, strict=True))
        )


class ProjectRandom(ProjectRule, frozen=True, kw_only=True):
    """Random: any activity that fits, each with the same probability."""

    name: ClassVar[str] = "shop/project-random"

    def begin(self, scenario: Project, streams: Streams) -> ProjectScheduler:
        """See Policy.begin."""
        return _AtRandom(self, scenario.network(), streams["policy.project-random"])


class _AtRandom:
    def __init__(self, rule: ProjectRule, network: Network, random: np.random.Generator) -> None:
        self.rule, self.random = rule, random
        self.modes = _Modes(rule.mode, network)

    def choose(self, view: ProjectView) -> Begin | None:
        pairs = self.modes.pick(view)
        if not pairs:
            return None
        if self.rule.lags_first and (urgent := _most_urgent(view, pairs)):
            self.modes.begun(urgent.activity)
            return urgent
        activity, mode = pairs[int(self.random.integers(len(pairs)))]
        self.modes.begun(activity)
        return Begin(activity, mode, f"at random, one of {len(pairs)}")


POLICIES = (ProjectFIFO, ProjectSPT, LFT, LST, MSLK, MTS, GRPW, WCS, ProjectRandom)
