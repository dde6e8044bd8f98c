"""What was served: the requests as a scenario, and the times that were measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from hocket.core import files
from hocket.core.errors import InputError, UserError
from hocket.core.load import load_policy
from hocket.core.policy import Policy
from hocket.core.timeline import Timeline
from hocket.serving import calibrate
from hocket.serving.calibrate import Calibration, Times, measured_times
from hocket.serving.calibrate.errors import METRICS, STATISTICS
from hocket.serving.calibrate.iterations import Iterations, iterations
from hocket.serving.calibrate.replay import cluster, drawn, times
from hocket.serving.calibrate.steps import from_steps, predicted
from hocket.serving.cost import CostConfig, Linear
from hocket.serving.formats.measured import Measured
from hocket.serving.live.record import Began, Line
from hocket.serving.live.recording import load
from hocket.serving.live.scenario import scenario
from hocket.serving.live.timeline import timeline
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.model.requests import Requests
from hocket.serving.policies.vllm import VllmV1
from hocket.serving.roles.policy import ServingPolicy
from hocket.serving.simulate.cluster import simulate
from hocket.serving.twin.bounds import Bounded

Progress = Callable[[str], None]

_HEAD = 1 << 20
"""Bytes in which a record's first line ends: policies may hold much."""


class Served(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Requests in the order of their arrival, before one engine, with what was measured.

    - `source`: where that is written
    - `scenario`: they and the engine, whose cost model is still to be found
    - `policy`: under which they were served; `seed`: of its random numbers
    - `times`: what was measured, a row per request of the scenario
    - `calibrated`: gives a cost model, made from what had happened before the request of a row
      arrived
    - `timeline`, `iterations`: all that happened, where iterations were recorded
    - `notes`: what a reader should know
    """

    source: str
    scenario: Cluster
    policy: Policy
    seed: int = 0
    times: Times
    calibrated: Callable[[int, Progress], Calibration]
    timeline: Timeline | None = None
    iterations: Iterations | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.times.ttft)

    @property
    def requests(self) -> Requests:
        """The requests in columns."""
        return drawn(self.scenario)

    @property
    def pool(self) -> Pool:
        """The engine."""
        return self.scenario.pools[0]

    def slower(self, cost: CostConfig, row: int = 0) -> float | None:
        """By what share its iterations took longer than a model says that was fitted to others.

        Those are looked at that ended after the request of a row had arrived. None where iterations
        were not recorded.
        """
        if self.iterations is None or not isinstance(cost, Linear):
            return None
        later = self.iterations.at(self.iterations.end > self.requests.arrival[row])
        if not len(later):
            return None
        return float(later.seconds.sum() / predicted(later, cost).sum() - 1)


def is_record(path: str | Path) -> bool:
    """Whether a file begins as a record of a live run does."""
    try:
        head = files.head(Path(path), _HEAD).lstrip()
        return isinstance(msgspec.json.decode(head.partition(b"\n")[0], type=Line), Began)
    except (OSError, ValueError, msgspec.DecodeError):
        return False


def from_record(path: str | Path) -> Served:
    """What a record of a live run says. Raises UserError and InputError for what is none."""
    found = load(Path(path))
    name = files.stem(path)
    world = scenario(found, name=name)
    told = timeline(found, world)
    notes = list(world.notes())
    if found.began.overlapped:
        notes.append(
            "the engine composed iterations ahead of time; the twin composes each when the one "
            "before it has ended, so a request may come in up to one iteration earlier"
        )
    work = iterations(found)
    measured, wrong = _sound(times(world, told))
    if wrong:
        notes.append(
            f"{wrong} requests were answered no later than they arrived, as if by another clock: "
            "those times are left out"
        )
    return Served(
        source=str(path),
        scenario=world,
        policy=_policy(found.began),
        seed=found.began.seed,
        times=measured,
        calibrated=lambda row, progress: _from_steps(work, world, row),
        timeline=told,
        iterations=work,
        notes=tuple(notes),
    )


def from_log(log: Measured, pool: Pool, policy: Policy, source: str = "log") -> Served:
    """What a log of requests says, served on `pool` under `policy`. Raises InputError."""

    def calibrated(row: int, progress: Progress) -> Calibration:
        share = row / len(log)
        return calibrate.from_log(log, pool, policy, train=share, progress=progress)

    return Served(
        source=source,
        scenario=cluster(log, pool),
        policy=policy,
        times=measured_times(log),
        calibrated=calibrated,
        notes=log.notes,
    )


def predict(
    world: Cluster, policy: Policy, cost: CostConfig | None = None, seed: int = 0
) -> tuple[Timeline, Times]:
    """What happens in a scenario, with another cost model if one is given."""
    if cost is not None:
        pools = tuple(msgspec.structs.replace(pool, cost=cost) for pool in world.pools)
        world = msgspec.structs.replace(world, pools=pools)
    if problems := list(world.problems()):
        raise InputError(world.name or "scenario", problems)
    told = simulate(world, policy, seed=seed)
    return told, times(world, told)


def part(found: Times, rows: npt.NDArray[np.bool_], start: float) -> Times:
    """The times of the requests in `rows`, the first of which arrives at second `start`."""
    return Times(found.ttft[rows], found.tpot[rows], found.e2e[rows], found.finish[rows] - start)


def _sound(found: Times) -> tuple[Times, int]:
    """The times without those that cannot be, and how many requests had such."""
    wrong = [column <= 0 for column in found]
    kept = [np.where(bad, np.nan, column) for bad, column in zip(wrong, found, strict=True)]
    return Times(*kept), int(np.any(wrong, axis=0).sum())


def _from_steps(work: Iterations, world: Cluster, row: int) -> Calibration:
    """Fitted to the iterations that had ended when the request of a row arrived."""
    return from_steps(work.at(work.end <= drawn(world).arrival[row]))


def _policy(began: Began) -> Policy:
    """The policy that composed the iterations, within the engine's own bounds."""
    found: Policy = VllmV1(tokens=began.tokens, seqs=began.seqs)
    if began.policy:
        found = load_policy(began.policy)
    if not isinstance(found, ServingPolicy):
        raise UserError(f"the record's policy {found.name} is none for serving")
    return Bounded(inner=found, tokens=began.tokens, seqs=began.seqs)


def statistics(found: Times) -> dict[tuple[str, str], float]:
    """Each statistic of each time in seconds; those of which nothing is known are left out.

    Keys are as in `calibrate.Error`: ``("ttft", "p90")``, ``("makespan", "max")``.
    """
    told: dict[tuple[str, str], float] = {}
    for metric in METRICS:
        column = getattr(found, metric)
        known = column[~np.isnan(column)]
        if len(known):
            told |= {(metric, name): statistic(known) for name, statistic in STATISTICS.items()}
    if not np.isnan(found.finish).all():
        told["makespan", "max"] = float(np.nanmax(found.finish))
    return told
