"""Coefficients under which the simulator reproduces a log: a damped Gauss-Newton search."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from hocket.core.policy import Policy
from hocket.serving.calibrate.replay import Times, cluster, measured_times, replayed
from hocket.serving.calibrate.start import NAMES, first_estimate
from hocket.serving.cost import Linear
from hocket.serving.cost.protocol import Floats
from hocket.serving.formats.measured import Measured
from hocket.serving.model.cluster import Pool

SPREADS = (0.1, 0.03)  # of the logarithms, around the point: first coarsely, then finely
FURTHEST = 0.5  # that a logarithm moves at a time
ROUNDS = 16  # with each spread
TOLERANCE = 0.003  # relative gain below which a round is idle; two of them end the search
OUTLIER = 0.25  # residuals beyond count linearly (Huber)
PRIOR = 0.0001  # weight of the first estimate: holds what the log does not determine

_PAIR = np.array([[1.0, 1.0], [1.0, -1.0]])
DESIGN = np.kron(np.kron(_PAIR, _PAIR), _PAIR)[:, 1:]  # 8 runs, columns orthogonal and balanced

Progress = Callable[[str], None]


class Fit(NamedTuple):
    """The model found, the times it gives all requests, and how many replays it took."""

    cost: Linear
    times: Times
    replays: int


def fit(
    measured: Measured,
    rows: npt.NDArray[np.bool_],
    pool: Pool,
    policy: Policy,
    progress: Progress = lambda text: None,
) -> Fit:
    """The coefficients that make the times of the requests in `rows` come out as measured.

    All requests are replayed, since those outside `rows` are in the same iterations, but their
    measured times are not looked at. Raises InputError.
    """
    return _Search(measured, rows, pool, policy, progress).run()


class _Around(NamedTuple):
    """What replays around a point say: residuals there and their slopes, without their noise."""

    loss: float
    residuals: Floats
    slopes: Floats


class _Search:
    """Levenberg-Marquardt in the logarithms of the coefficients.

    Iterations are whole: a little more or less of a coefficient lets a request into one iteration
    or the next, so residuals jump. Differences between two replays would see mostly such jumps.
    Here all coefficients change together in eight replays, up or down as the columns of a Hadamard
    matrix say, and every slope is taken from all eight (Box, Hunter and Hunter, Statistics for
    Experimenters, chapter 6); their mean residuals and mean loss are what counts.
    """

    def __init__(
        self,
        measured: Measured,
        rows: npt.NDArray[np.bool_],
        pool: Pool,
        policy: Policy,
        progress: Progress,
    ) -> None:
        self.rows, self.pool, self.policy, self.progress = rows, pool, policy, progress
        self.scenario = cluster(measured, pool)
        self.truth = measured_times(measured)
        self.start = _logarithms(first_estimate(measured, rows, pool))
        # Two tokens' time is no error: the log cannot say when within an iteration a request came.
        self.blur = 2 * float(np.nanmedian(self.truth.tpot[rows]))
        self.replays = 0

    def run(self) -> Fit:
        point = self.start
        for spread in SPREADS:
            point = self._descend(point, spread)
        _, times = self._at(point)
        return Fit(_model(point), times, self.replays)

    def _descend(self, point: Floats, spread: float) -> Floats:
        """The point with the least mean loss found from here."""
        here, damping, idle = self._around(point, spread), 1e-2, 0
        for number in range(ROUNDS):
            self.progress(f"round {number + 1} of at most {ROUNDS}, {self.replays} replays")
            trial = point + self._step(here, point, damping)
            there = self._around(trial, spread)
            gain = 1 - there.loss / here.loss
            if gain > 0:
                point, here, damping = trial, there, max(1e-4, damping / 10)
            else:
                damping *= 30
            idle = 0 if gain > TOLERANCE else idle + 1
            if idle == 2:
                break
        return point

    def _around(self, point: Floats, spread: float) -> _Around:
        shifts = spread * DESIGN[:, : len(point)]
        found = [self._at(point + shift)[0] for shift in shifts]
        losses = [self._loss(residuals, point) for residuals in found]
        table = np.stack(found)
        slopes = table.T @ shifts / (len(shifts) * spread**2)
        return _Around(float(np.mean(losses)), table.mean(axis=0), slopes)

    def _at(self, point: Floats) -> tuple[Floats, Times]:
        """Residuals of the requests in `rows`, shape (3 rows,), and the times of all."""
        self.replays += 1
        pool = msgspec.structs.replace(self.pool, cost=_model(point))
        times = replayed(self.scenario, pool, self.policy)
        parts = []
        for name, blur in (("ttft", self.blur), ("tpot", 0.0), ("e2e", self.blur)):
            predicted, measured = getattr(times, name), getattr(self.truth, name)
            ratio = (predicted[self.rows] + blur) / (measured[self.rows] + blur)
            parts.append(np.nan_to_num(np.log(ratio), nan=0.0))
        return np.concatenate(parts), times

    def _step(self, here: _Around, point: Floats, damping: float) -> Floats:
        residuals, jacobian = here.residuals, here.slopes
        weights = np.minimum(1.0, OUTLIER / np.maximum(np.abs(residuals), 1e-12))
        weighted = jacobian * weights[:, None]
        prior = PRIOR * len(residuals)
        normal = jacobian.T @ weighted + prior * np.eye(len(point))
        slope = weighted.T @ residuals + prior * (point - self.start)
        normal += damping * np.diag(np.diag(normal))
        step = -np.linalg.solve(normal, slope)
        clipped: Floats = np.clip(step, -FURTHEST, FURTHEST)
        return clipped

    def _loss(self, residuals: Floats, point: Floats) -> float:
        size = np.abs(residuals)
        huber = np.where(size <= OUTLIER, size**2 / 2, OUTLIER * (size - OUTLIER / 2))
        prior = PRIOR * len(residuals) / 2 * ((point - self.start) ** 2).sum()
        return float(huber.sum() + prior)


def _logarithms(cost: Linear) -> Floats:
    return np.log([max(getattr(cost, name), 1e-15) for name in NAMES])


def _model(point: Floats) -> Linear:
    return Linear(**dict(zip(NAMES, np.exp(point).tolist(), strict=True)))
