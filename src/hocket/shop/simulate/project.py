"""The project world: activities start one at a time, when and in the mode that a policy says.

A decision is taken at time 0 and whenever an activity ends, a release passes or a time lag has
elapsed. The policy's decider is asked again and again, each time to start one activity or, with
None, to wait for the next such instant.

Maximum time lags and scarce resources together can lead a dispatcher, which never takes anything
back, into a dead end, and so can several non-renewable resources; then the run ends in a Deadlock
that says why.

The timeline holds one span of kind ``run`` per activity (`group` the activity, `name` its mode's
label, `lane` the renewable resource it takes most of) and a gauge ``usage`` for every resource,
written when it changes: what is in use of a renewable one, what has been spent of another.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from hocket.core.errors import Deadlock, IllegalDecision, InputError, Problem
from hocket.core.kernel import Event, Kernel, Phase
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.shop.model.project import Project
from hocket.shop.simulate.project_lags import Lags
from hocket.solvers.critical_path import Figures, figures
from hocket.solvers.network import Network, TaskMode


class Begin(NamedTuple):
    """Start the activity of this index now, in the mode of this index."""

    activity: int
    mode: int = 0
    reason: str = ""


class Running(NamedTuple):
    """An activity in progress: its index and mode, and when it ends."""

    activity: int
    mode: int
    end: int


class ProjectScheduler(Protocol):
    """The role of a project policy's decider."""

    def choose(self, view: ProjectView) -> Begin | None:
        """What to start now; None to wait until something ends or becomes possible."""
        ...


class ProjectView:
    """The read-only state at a decision. Activities, modes and resources are indices.

    Fixed: `project`, `network` (the same as numbers: durations, uses, releases), `figures` (the
    critical path method's) and `successors` (who must not start before whom).
    Changing: see the properties.
    """

    __slots__ = ("_world", "figures", "network", "project", "successors")

    def __init__(self, world: _World) -> None:
        self._world = world
        self.project = world.project
        self.network = world.network
        self.figures = world.figures
        self.successors = world.lags.below

    @property
    def now(self) -> int:
        """The time in ticks."""
        return self._world.kernel.now

    @property
    def eligible(self) -> tuple[tuple[int, int], ...]:
        """The (activity, mode) pairs that may start now, in their order.

        Their time lags have elapsed and leave, by themselves, a time for every other activity; the
        resources are free, and what is left of each non-renewable resource is enough for the
        cheapest modes of all other activities.
        """
        return self._world.options

    @property
    def free(self) -> tuple[int, ...]:
        """What is free now of each renewable resource."""
        return tuple(self._world.free)

    @property
    def left(self) -> tuple[int, ...]:
        """What is left of each non-renewable resource."""
        return tuple(self._world.left)

    @property
    def start(self) -> tuple[int | None, ...]:
        """When each activity started; None if it has not."""
        return tuple(self._world.lags.start)

    @property
    def running(self) -> tuple[Running, ...]:
        """What is in progress, in the order in which it started."""
        return tuple(self._world.running.values())

    @property
    def latest(self) -> tuple[int | None, ...]:
        """The last instant at which each activity may start, by the maximum lags now running."""
        return tuple(self._world.lags.latest)

    def ready(self, activity: int, mode: int = 0) -> int:
        """When its release and the lags from what has started let the activity start."""
        return self._world.lags.ready(activity, self.network.tasks[activity].modes[mode])


def simulate(
    scenario: Project, policy: Policy, *, seed: int = 0, kernel: Kernel | None = None
) -> Timeline:
    """Run the project under a policy whose decider is a ProjectScheduler.

    Raises IllegalDecision when the policy starts what cannot start, or waits for nothing; Deadlock
    when what is left can no longer be done; InputError when the time lags contradict each other.
    """
    contradiction = scenario.lag_contradiction()
    if contradiction:
        raise InputError(scenario.name or "project", [Problem("lags", contradiction)])
    world = _World(scenario, policy, Streams(seed), kernel or Kernel(scenario.time_unit))
    world.decide_at(0 if kernel is None else kernel.now)
    world.kernel.run()
    return world.timeline


class _World:
    """The state, and the events that change it."""

    def __init__(self, project: Project, policy: Policy, streams: Streams, kernel: Kernel) -> None:
        self.project, self.policy, self.kernel = project, policy, kernel
        self.network: Network = project.network()
        self.figures: Figures = figures(self.network)
        self.lags = Lags(self.network)
        self.free = list(self.network.capacity)
        self.left = list(self.network.stock)
        self.running: dict[int, Running] = {}
        # What the cheapest modes of everything that has not started need of each stock.
        self.reserve = [
            sum(min(m.spend[r] for m in task.modes) for task in self.network.tasks)
            for r in range(len(self.left))
        ]
        self.options: tuple[tuple[int, int], ...] = ()
        self.decision: Event | None = None
        self.lanes = [r.name for r in project.renewable] + [r.name for r in project.consumed]
        self.shown = [0] * len(self.lanes)
        self.timeline = Timeline(project.time_unit, project.lanes)
        for lane in self.lanes:
            self.timeline.gauge("usage", lane, kernel.now, 0)
        self.decider: ProjectScheduler = policy.begin(project, streams)
        self.view = ProjectView(self)

    def decide_at(self, time: int) -> None:
        """Make sure that the policy is asked at `time` at the latest."""
        if self.decision is not None:
            if self.decision.time <= time:
                return
            self.decision.cancel()
        self.decision = self.kernel.at(time, self.decide, phase=Phase.DECIDE)

    def decide(self) -> None:
        """Ask until the policy waits or nothing can start, then see that the rest still can."""
        self.decision = None
        self.options = self._eligible()
        while self.options:
            begin = self.decider.choose(self.view)
            if begin is None:
                break
            self.begin(begin)
            self.options = self._eligible()
        self.kernel.at(self.kernel.now, self.observe, phase=Phase.OBSERVE)
        self._look_ahead()

    def observe(self) -> None:
        """Record the resources whose use has changed."""
        used = [c - f for c, f in zip(self.network.capacity, self.free, strict=True)]
        used += [c - f for c, f in zip(self.network.stock, self.left, strict=True)]
        for r, level in enumerate(used):
            if level != self.shown[r]:
                self.shown[r] = level
                self.timeline.gauge("usage", self.lanes[r], self.kernel.now, level)

    def begin(self, begin: object) -> None:
        """Carry out a decision that is among the options."""
        if not isinstance(begin, Begin):
            why = "a decision is a Begin(activity, mode), or None to wait"
            raise IllegalDecision(str(self.policy), self.kernel.now, f"{begin!r:.80}", why)
        i, k, reason = begin
        if (i, k) not in self.options:
            raise IllegalDecision(
                str(self.policy), self.kernel.now, self._told(i, k), self._why_not(i, k)
            )
        now, mode = self.kernel.now, self.network.tasks[i].modes[k]
        end = now + mode.duration
        self.lags.begin(i, now, end)
        self.running[i] = Running(i, k, end)
        for r, use in enumerate(mode.use if mode.duration else ()):
            self.free[r] -= use
        for r, spend in enumerate(mode.spend):
            self.left[r] -= spend
            self.reserve[r] -= min(m.spend[r] for m in self.network.tasks[i].modes)
        activity = self.project.activities[i]
        lane, label = self.project.lane(i, k), activity.label(k)
        self.timeline.span("run", lane, activity.name, label, now, end, reason)
        self.kernel.at(end, self.finish, i, mode, phase=Phase.FINISH)

    def finish(self, i: int, mode: TaskMode) -> None:
        """An activity ends and frees what it used."""
        del self.running[i]
        for r, use in enumerate(mode.use if mode.duration else ()):
            self.free[r] += use
        self.decide_at(self.kernel.now)

    def _eligible(self) -> tuple[tuple[int, int], ...]:
        """See ProjectView.eligible."""
        return tuple(
            (i, k)
            for i, start in enumerate(self.lags.start)
            if start is None and not self.lags.waits(i)
            for k, mode in enumerate(self.network.tasks[i].modes)
            if self._fits(i, mode) and self.lags.allows(i, mode, self.kernel.now)
        )

    def _fits(self, i: int, mode: TaskMode) -> bool:
        """Whether the resources suffice now, and the stocks for all that comes after."""
        if any(use > free for use, free in zip(mode.use, self.free, strict=True)):
            return False
        tasks = self.network.tasks
        return all(
            spend + self.reserve[r] - min(m.spend[r] for m in tasks[i].modes) <= self.left[r]
            for r, spend in enumerate(mode.spend)
        )

    def _look_ahead(self) -> None:
        """Plan the next decision; raise Deadlock if what is left cannot be done any more."""
        lags, now = self.lags, self.kernel.now
        rest = [i for i, start in enumerate(lags.start) if start is None]
        times = [
            time
            for i in rest
            if not lags.waits(i)
            for mode in self.network.tasks[i].modes
            if (time := lags.earliest(i, mode)) > now
        ]
        upcoming = min([*times, *(r.end for r in self.running.values())], default=None)
        if rest and upcoming is None and self.options:
            why = "nothing is in progress that it could wait for"
            raise IllegalDecision(str(self.policy), now, "to wait", why)
        for i in rest:
            latest = lags.latest[i]
            if latest is not None and latest < (now + 1 if upcoming is None else upcoming):
                raise Deadlock(self._too_late(i, latest))
        if times:
            self.decide_at(min(times))
        if rest and upcoming is None:
            raise Deadlock(self._stuck(rest))

    def _too_late(self, i: int, latest: int) -> str:
        activity = self.project.activities[i].name
        cause = self.project.activities[self.lags.because[i]].name
        return (
            f"{self.policy} ran into a dead end at time {self.kernel.now}: {activity!r} had to "
            f"start by {latest}, because {cause!r} has started and a maximum time lag "
            f"ties them; a dispatching policy cannot take that back, `solve` can"
        )

    def _stuck(self, rest: list[int]) -> str:
        first = next((i for i in rest if not self.lags.waits(i)), rest[0])
        names = ", ".join(repr(self.project.activities[i].name) for i in rest[:5])
        more = f" and {len(rest) - 5} more" if len(rest) > 5 else ""
        return (
            f"{self.policy} ran into a dead end at time {self.kernel.now}: {names}{more} cannot "
            f"start any more; {self._why_not(first, 0)}"
        )

    def _told(self, i: int, k: int) -> str:
        if not 0 <= i < len(self.lags.start):
            return f"to start activity number {i}"
        activity = self.project.activities[i]
        if not 0 <= k < len(activity.modes):
            return f"to start {activity.name!r} in mode number {k}"
        return f"to start {activity.name!r} in mode {activity.label(k)!r}"

    def _why_not(self, i: int, k: int) -> str:
        """The first reason why (i, k) is not eligible."""
        activities = self.project.activities
        if not 0 <= i < len(activities):
            return f"there are {len(activities)} activities"
        if not 0 <= k < len(activities[i].modes):
            return f"it has {len(activities[i].modes)} modes"
        if self.lags.start[i] is not None:
            return f"it started at {self.lags.start[i]}"
        if (before := self.lags.blocker(i)) is not None:
            return f"it has to wait for {activities[before].name!r}, which has not started"
        mode = self.network.tasks[i].modes[k]
        if (time := self.lags.earliest(i, mode)) > self.kernel.now:
            return f"its release and time lags allow it from {time} on"
        for r, use in enumerate(mode.use):
            if use > self.free[r]:
                lane = self.lanes[r]
                return f"{activities[i].name!r} needs {use} of {lane!r}, {self.free[r]} are free"
        if not self._fits(i, mode):
            return f"too little would be left of a non-renewable resource ({self._stocks()})"
        return "a maximum time lag could no longer be kept"

    def _stocks(self) -> str:
        names = self.lanes[len(self.free) :]
        return ", ".join(
            f"{left} of {name!r} left, the cheapest modes of all that is left need {need}"
            for name, left, need in zip(names, self.left, self.reserve, strict=True)
        )
