"""Many runs compared: scenarios x policies x seeds, paired on common random numbers."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hocket import __version__
from hocket.core import stats
from hocket.core.errors import HocketError, UserError
from hocket.core.plugins import code_of, crash
from hocket.core.policy import Policy, spec
from hocket.core.pool import spread
from hocket.core.run import require_applicable, run
from hocket.core.scenario import Scenario
from hocket.core.store import Outcome, Store
from hocket.core.streams import Streams

OnCell = Callable[[int, int, float | None], None]
"""Called as ``progress(done, total, seconds left or None)``."""


class Cell(msgspec.Struct, frozen=True):
    """One run of a study, by index of scenario and policy."""

    scenario: int
    policy: int
    seed: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one policy on one scenario over the seeds, with its confidence interval.

    A single run has none: `low` and `high` are then None.
    """

    scenario: str
    policy: str
    metric: str
    mean: float
    low: float | None
    high: float | None
    n: int


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """``policy - versus`` in one metric, paired by seed, with its confidence interval."""

    scenario: str
    metric: str
    policy: str
    versus: str
    mean: float
    low: float | None
    high: float | None
    n: int


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A run that failed, and why; the others are not touched by it."""

    scenario: str
    policy: str
    seed: int
    error: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a study. `complete` is False when it was interrupted."""

    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    failures: tuple[Failure, ...]
    seeds: int
    complete: bool
    study: str


def compare(
    scenarios: Sequence[Scenario],
    policies: Sequence[Policy],
    *,
    seeds: int = 1,
    first_seed: int = 0,
    workers: int | None = 1,
    on: str = "local",
    study: Path | str | None = None,
    resume: bool = False,
    progress: OnCell | None = None,
    confidence: float = 0.95,
) -> Comparison:
    """Run every policy on every scenario with every seed, and compare them pairwise.

    All policies meet the same arrivals, durations and breakdowns for the same seed; differences are
    taken to the first policy, seed by seed. The result is the same for any number of `workers` and
    any place (`on` = "local" or "ray"). With a `study` file every result is kept as it comes, and
    `resume` runs only what is missing from it. Ctrl-C ends the study early: what is finished is
    returned, with `complete` False.

    Raises UserError for an empty grid or a policy that does not fit, before anything runs.
    """
    grid = _Grid(scenarios, policies, range(first_seed, first_seed + seeds))
    store = None if study is None else Store(Path(study), forget=() if resume else grid.keys)
    try:
        outcomes = store.load() if store is not None else {}
        complete = _run_missing(grid, outcomes, store, workers, on, progress)
    finally:
        if store is not None:
            store.close()
    return grid.compared(outcomes, complete, "" if study is None else str(study), confidence)


class _Grid:
    """The cells of a study and their keys."""

    def __init__(
        self, scenarios: Sequence[Scenario], policies: Sequence[Policy], seeds: range
    ) -> None:
        if not scenarios or not policies or not seeds:
            raise UserError("nothing to compare: give a scenario, a policy and at least one seed")
        for seed in (seeds[0], seeds[-1]):
            Streams(seed)  # refuses what is no seed
        for scenario in scenarios:
            for policy in policies:
                require_applicable(scenario, policy)
        self.scenarios, self.policies, self.seeds = tuple(scenarios), tuple(policies), seeds
        self.scenario_names = labels(scenarios)
        self.policy_names = distinct([str(p) for p in policies])
        self.cells = [
            Cell(i, k, seed)
            for i in range(len(scenarios))
            for seed in seeds
            for k in range(len(policies))
        ]
        # Another version may simulate differently: what it left in a file does not count.
        whats = [_digest([__version__, s]) for s in scenarios]
        hows = [_digest(_how(p)) for p in policies]
        self.keys = [f"{whats[c.scenario]}-{hows[c.policy]}-{c.seed}" for c in self.cells]

    def compared(
        self, outcomes: dict[str, Outcome], complete: bool, study: str, confidence: float
    ) -> Comparison:
        table: dict[tuple[int, int], dict[int, Outcome]] = {}
        failures = []
        for cell, key in zip(self.cells, self.keys, strict=True):
            outcome = outcomes.get(key)
            if outcome is None:
                continue
            if outcome.error:
                where, who = self.scenario_names[cell.scenario], self.policy_names[cell.policy]
                failures.append(
                    Failure(scenario=where, policy=who, seed=cell.seed, error=outcome.error)
                )
            else:
                table.setdefault((cell.scenario, cell.policy), {})[cell.seed] = outcome
        return Comparison(
            rows=tuple(self._rows(table, confidence)),
            differences=tuple(self._differences(table, confidence)),
            failures=tuple(failures),
            seeds=len(self.seeds),
            complete=complete,
            study=study,
        )

    def _rows(
        self, table: dict[tuple[int, int], dict[int, Outcome]], confidence: float
    ) -> list[Row]:
        rows = []
        for (i, k), found in sorted(table.items()):
            for metric in next(iter(found.values())).metrics:
                values = [o.metrics[metric] for o in found.values()]
                estimate = stats.mean(values, confidence=confidence)
                rows.append(
                    Row(
                        scenario=self.scenario_names[i],
                        policy=self.policy_names[k],
                        metric=metric,
                        **_fields(estimate),
                    )
                )
        return rows

    def _differences(
        self, table: dict[tuple[int, int], dict[int, Outcome]], confidence: float
    ) -> list[Difference]:
        found = []
        for (i, k), mine in sorted(table.items()):
            theirs = table.get((i, 0), {})
            both = [seed for seed in mine if seed in theirs]
            if k == 0 or not both:
                continue
            for metric in mine[both[0]].metrics:
                a = [mine[s].metrics[metric] for s in both]
                b = [theirs[s].metrics[metric] for s in both]
                estimate = stats.paired(a, b, confidence=confidence)
                found.append(
                    Difference(
                        scenario=self.scenario_names[i],
                        metric=metric,
                        policy=self.policy_names[k],
                        versus=self.policy_names[0],
                        **_fields(estimate),
                    )
                )
        return found


def _fields(estimate: stats.Estimate) -> dict[str, Any]:
    known = estimate.n > 1
    return {
        "mean": estimate.mean,
        "low": estimate.low if known else None,
        "high": estimate.high if known else None,
        "n": estimate.n,
    }


def _run_missing(
    grid: _Grid,
    outcomes: dict[str, Outcome],
    store: Store | None,
    workers: int | None,
    on: str,
    progress: OnCell | None,
) -> bool:
    """Run what is missing; False when interrupted."""
    missing = [i for i, key in enumerate(grid.keys) if key not in outcomes]
    total, begun = len(grid.cells), time.perf_counter()
    shared = (grid.scenarios, grid.policies)
    cells = [grid.cells[i] for i in missing]
    results = spread(_run_cell, shared, cells, workers=workers, on=on, lost=_lost)
    try:
        for done, (at, outcome) in enumerate(results, 1):
            cell, key = cells[at], grid.keys[missing[at]]
            outcomes[key] = outcome
            if store is not None:
                name, policy = grid.scenario_names[cell.scenario], grid.policies[cell.policy]
                store.save(key, name, spec(policy), cell.seed, outcome)
            if progress is not None:
                left = (time.perf_counter() - begun) / done * (len(missing) - done)
                progress(total - len(missing) + done, total, left)
    except KeyboardInterrupt:
        return False
    return True


def _run_cell(shared: tuple[tuple[Scenario, ...], tuple[Policy, ...]], cell: Cell) -> Outcome:
    scenarios, policies = shared
    try:
        done = run(scenarios[cell.scenario], policies[cell.policy], cell.seed)
    except HocketError as error:
        return Outcome(error=f"{type(error).__name__}: {error}")
    except Exception as error:  # a bug in one policy must not end the study of the others
        return Outcome(error=crash(error))
    return Outcome(metrics=done.metrics, digest=done.timeline.digest(), seconds=done.seconds)


def _lost(why: str) -> Outcome:
    return Outcome(error=why)


def _how(policy: Policy) -> list[Any]:
    """What decides how a policy behaves: its fields, its code, and the weights that it names."""
    named = getattr(policy, "weights", "")
    learnt = []
    if isinstance(named, str) and Path(named).is_file():
        learnt = [hashlib.sha256(Path(named).read_bytes()).hexdigest()]
    return [spec(policy), code_of(type(policy)), *learnt]


def _digest(value: Any) -> str:
    data = msgspec.json.encode(value, order="deterministic")
    return hashlib.sha256(data).hexdigest()[:24]


def labels(scenarios: Sequence[Scenario]) -> list[str]:
    """What a study calls its scenarios: equal names are numbered, ``shop`` and ``shop #2``."""
    return distinct([scenario.name or "scenario" for scenario in scenarios])


def distinct(names: Sequence[str]) -> list[str]:
    """The same names, with ``#2`` and so on where one occurs again."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return result


def default_path(scenarios: Sequence[Scenario], policies: Sequence[Policy]) -> Path:
    """Where the study of this grid lies unless told otherwise: ``.hocket/compare-DIGEST.sqlite``.

    Seeds are left out of the digest, so asking for more of them resumes the same file.
    """
    digest = _digest([[_digest(s) for s in scenarios], [_how(p) for p in policies]])
    return Path(".hocket") / f"compare-{digest[:12]}.sqlite"
