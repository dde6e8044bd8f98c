"""Project scheduling as a CP-SAT model: modes, capacities, stocks and generalised time lags.

One start per task; with several modes an optional interval for each of them. Renewable resources
are cumulative constraints over those intervals, stocks are sums over the chosen modes, links are
linear. All objectives are regular (never better by finishing later), so the horizon of
`hocket.solvers.network.horizon` holds an optimal schedule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from hocket.core.errors import UserError
from hocket.core.solution import OnImprovement
from hocket.solvers.cpsat import Outcome, Rules, clash, cp_model, minimize
from hocket.solvers.network import (
    Network,
    Schedule,
    energy_bound,
    horizon,
    latest_starts,
    objective_value,
    overdrawn,
    windows,
)

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import CpModel, IntVar, LinearExprT

_LARGEST = 2**52
"""Sums beyond this would lose ticks in the solver's floating-point bounds."""


class ProjectResult(msgspec.Struct, frozen=True):
    """The best schedule found, if any, and what the search proved about it."""

    schedule: Schedule | None
    outcome: Outcome


class ProjectModel:
    """The variables of a network: `start`, `finish` and one literal per mode in `chosen`.

    `rules` holds the groups of constraints that `why_infeasible` can switch off, by name:
    ``capacity 0``, ``stock 0``, ``link 0``, ``deadline 0``, numbered as in the network.
    """

    def __init__(self, network: Network, end: int, *, named: bool = False) -> None:
        """`end` is the horizon; with `named` the groups of constraints can be switched off.

        Raises UserError when times are too large for exact arithmetic, MissingExtra without
        OR-Tools.
        """
        _check_size(network, end)
        self.network = network
        self.model: CpModel = cp_model().CpModel()
        self.rules = Rules(self.model, named=named)
        self.end = end
        self.start: list[IntVar] = []
        self.finish: list[LinearExprT] = []
        self.chosen: list[list[IntVar]] = []
        self._loads: list[list[tuple[object, int]]] = [[] for _ in network.capacity]
        tight = not named  # propagated windows would hide which group causes a contradiction
        earliest = windows(network).earliest if tight else [t.release for t in network.tasks]
        latest = latest_starts(network, end) if tight else [end] * len(earliest)
        for i in range(len(network.tasks)):
            self._task(i, earliest[i], latest[i])
        self._capacities()
        self._stocks()
        self._links()

    def _task(self, i: int, earliest: int, latest: int) -> None:
        """Start, finish and modes of a task; a mode that fits no capacity is left out."""
        task, model = self.network.tasks[i], self.model
        if earliest > latest:  # an empty domain is no valid model
            model.add_bool_or([])
            latest = earliest
        start = model.new_int_var(earliest, latest, f"start {i}")
        literals = [model.new_bool_var(f"mode {i}.{k}") for k in range(len(task.modes))]
        model.add_exactly_one(literals)
        for mode, literal in zip(task.modes, literals, strict=True):
            interval = model.new_optional_fixed_size_interval_var(
                start, mode.duration, literal, f"task {i}"
            )
            for r, use in enumerate(mode.use):
                if use:
                    self._loads[r].append((interval, use))
                if use > self.network.capacity[r]:
                    # A cumulative constraint does not see a task of no duration.
                    rule = self.rules.on(f"capacity {r}")
                    model.add(literal == 0).only_enforce_if(rule)
        if task.shortest == task.longest:
            finish: LinearExprT = start + task.shortest
        else:
            finish = model.new_int_var(0, self.end, f"finish {i}")
            durations = [mode.duration for mode in task.modes]
            model.add(finish == start + cp_model().LinearExpr.weighted_sum(literals, durations))
        if task.deadline is not None:
            model.add(finish <= task.deadline).only_enforce_if(self.rules.on(f"deadline {i}"))
        self.start.append(start)
        self.finish.append(finish)
        self.chosen.append(literals)

    def _capacities(self) -> None:
        for r, loads in enumerate(self._loads):
            if not loads:
                continue
            intervals, uses = zip(*loads, strict=True)
            capacity = self.network.capacity[r]
            limit: LinearExprT = capacity
            if rule := self.rules.on(f"capacity {r}"):
                # A cumulative constraint cannot be switched off, but its limit can be lifted.
                limit = self.model.new_int_var(capacity, max(capacity, sum(uses)), f"limit {r}")
                self.model.add(limit == capacity).only_enforce_if(rule)
            self.model.add_cumulative(intervals, uses, limit)

    def _stocks(self) -> None:
        for r, stock in enumerate(self.network.stock):
            terms = [
                literal * mode.spend[r]
                for task, literals in zip(self.network.tasks, self.chosen, strict=True)
                for mode, literal in zip(task.modes, literals, strict=True)
                if mode.spend[r]
            ]
            if terms:
                spent = cp_model().LinearExpr.sum(terms)
                self.model.add(spent <= stock).only_enforce_if(self.rules.on(f"stock {r}"))

    def _links(self) -> None:
        for n, link in enumerate(self.network.links):
            since = (self.start if link.since == "start" else self.finish)[link.before]
            of = (self.start if link.of == "start" else self.finish)[link.after]
            self.model.add(of >= since + link.gap).only_enforce_if(self.rules.on(f"link {n}"))

    def minimize(self, objective: str, least: int = 0) -> None:
        """Set the objective, one of those of `objective_value`; ValueError for an unknown name.

        `least` is a known bound on the makespan; other objectives make no use of it.
        """
        tasks, model = self.network.tasks, self.model
        due = [(t, f, t.due) for t, f in zip(tasks, self.finish, strict=True) if t.due is not None]
        if objective == "makespan":
            makespan = model.new_int_var(min(least, self.end), self.end, "makespan")
            model.add_max_equality(makespan, self.finish)
            model.minimize(makespan)
        elif objective in ("total_flow_time", "weighted_flow_time"):
            weighted = objective == "weighted_flow_time"
            model.minimize(
                sum(
                    (t.weight if weighted else 1) * (f - t.release)
                    for t, f in zip(tasks, self.finish, strict=True)
                )
            )
        elif objective in ("total_tardiness", "weighted_tardiness"):
            weighted = objective == "weighted_tardiness"
            late = []
            for task, finish, when in due:
                tardiness = model.new_int_var(0, max(0, self.end - when), "tardiness")
                model.add(tardiness >= finish - when)
                late.append(tardiness * (task.weight if weighted else 1))
            model.minimize(sum(late))
        elif objective == "max_lateness":
            largest = max((when for _, _, when in due), default=0)
            lateness = model.new_int_var(-largest, self.end, "lateness")
            if not due:
                model.add(lateness == 0)
            for _, finish, when in due:
                model.add(lateness >= finish - when)
            model.minimize(lateness)
        elif objective == "late_jobs":
            tardy = []
            for _, finish, when in due:
                literal = model.new_bool_var("late")
                model.add(finish <= when).only_enforce_if(~literal)
                tardy.append(literal)
            model.minimize(sum(tardy))
        else:
            raise ValueError(f"unknown objective {objective!r}")

    def hint(self, schedule: Schedule) -> list[tuple[IntVar, int]]:
        """Pairs that tell the search to start from `schedule`."""
        pairs = list(zip(self.start, schedule.start, strict=True))
        for literals, mode in zip(self.chosen, schedule.mode, strict=True):
            pairs += [(literal, int(k == mode)) for k, literal in enumerate(literals)]
        return pairs

    def schedule(self, outcome: Outcome) -> Schedule:
        """The schedule that the values of `outcome` describe."""
        return Schedule(
            tuple(outcome[start] for start in self.start),
            tuple(
                next(k for k, literal in enumerate(literals) if outcome[literal])
                for literals in self.chosen
            ),
        )


def solve_network(
    network: Network,
    objective: str = "makespan",
    *,
    warm: Schedule | None = None,
    time_limit: float | None = 60.0,
    workers: int = 1,
    seed: int = 0,
    progress: OnImprovement | None = None,
    stop: Callable[[], bool] | None = None,
) -> ProjectResult:
    """The best schedule of a network: to a proven optimum, or as far as `time_limit` allows.

    `warm`, if given, is a feasible schedule: the search starts from it and, for the makespan, looks
    no further than its end. The result is never worse than it.
    """
    if windows(network).cycle:
        reason = "proved: the links contradict each other"
        return ProjectResult(None, Outcome(status="infeasible", reason=reason))
    end = horizon(network)
    if warm is not None and objective == "makespan":
        end = min(end, objective_value(network, warm, objective))
    built = ProjectModel(network, end)
    built.minimize(objective, energy_bound(network) if objective == "makespan" else 0)
    outcome = minimize(
        built.model,
        time_limit=time_limit,
        workers=workers,
        seed=seed,
        progress=progress,
        stop=stop,
        hint=built.hint(warm) if warm is not None else (),
    )
    found = built.schedule(outcome) if outcome.found else None
    if warm is None:
        return ProjectResult(found, outcome)
    if found is None or (
        objective_value(network, warm, objective) <= objective_value(network, found, objective)
    ):
        found = warm
    return ProjectResult(found, outcome)


class Contradiction(msgspec.Struct, frozen=True):
    """Why a network has no schedule; which of the fields is filled says what kind of reason.

    - `cycle`: a closed walk of tasks along which the links contradict each other
    - `overdrawn`: a non-renewable resource, and what the cheapest modes need of it
    - `groups`: names of constraints (see ProjectModel) that cannot all be met; dropping any one
      helps, unless the proof ran out of time to shrink them
    """

    cycle: tuple[int, ...] = ()
    overdrawn: tuple[int, int] | None = None
    groups: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is a contradiction at all."""
        return bool(self.cycle or self.overdrawn or self.groups)


def plain_contradiction(network: Network) -> Contradiction:
    """A reason for infeasibility that needs no search; falsy when there is none of that kind."""
    for r, least in overdrawn(network):
        return Contradiction(overdrawn=(r, least))
    return Contradiction(cycle=windows(network).cycle)


def why_infeasible(
    network: Network, *, time_limit: float | None = 10.0, stop: Callable[[], bool] | None = None
) -> Contradiction:
    """A smallest reason for which there is no schedule; falsy when none is proved in time."""
    if plain := plain_contradiction(network):
        return plain
    built = ProjectModel(network, horizon(network), named=True)
    groups = clash(built.model, built.rules, time_limit=time_limit, stop=stop)
    return Contradiction(groups=groups or ())


def _check_size(network: Network, end: int) -> None:
    """Refuse numbers for which the solver's sums would no longer be exact."""
    weight = sum(max(1, task.weight) for task in network.tasks)
    load = sum(max((*m.use, *m.spend), default=0) for t in network.tasks for m in t.modes)
    due = max((abs(task.due or 0) for task in network.tasks), default=0)
    if max(end, due) * weight > _LARGEST or load > _LARGEST:
        raise UserError(
            f"the times are too large to solve exactly: {end} ticks in the worst case, times a "
            f"total weight of {weight}; use a coarser time_unit or smaller weights"
        )
