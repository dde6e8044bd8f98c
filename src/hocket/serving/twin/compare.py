"""The twin of an engine: fitted to one part of its log, compared on the other."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from hocket.core.errors import InputError, UserError
from hocket.core.timeline import Timeline
from hocket.serving.calibrate import Calibration, Error, Times, errors
from hocket.serving.twin.served import Progress, Served, from_record, part, predict

TARGET = 0.1
"""How far a mean or a 90th percentile may be off by default, as a share."""

JUDGED = ("mean", "p90", "max")
"""The statistics that the target is about; tails beyond are shown, not judged."""


class Twin(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """An engine's twin, and how far its predictions are from what was measured.

    - `served`: the log
    - `cut`: the row of the first request that nothing was fitted to; those before are the warm-up
    - `calibration`: the cost model; its `errors` are on the requests from `cut` on, and its `seen`
      on those before
    - `predicted`, `timeline`: of all requests, a row per request
    - `seed`: of the policy's random numbers
    - `target`: how far it may be off
    """

    served: Served
    cut: int
    calibration: Calibration
    predicted: Times
    timeline: Timeline
    seed: int
    target: float = TARGET

    @property
    def errors(self) -> tuple[Error, ...]:
        """How far off it is on the requests that it has not seen."""
        return self.calibration.errors

    @property
    def missed(self) -> tuple[Error, ...]:
        """Means, 90th percentiles and makespan that are further off than the target."""
        return missed(self.errors, self.target)

    @property
    def slower(self) -> float | None:
        """By what share the engine's iterations took longer after the cut than the model says.

        That is the part of the errors that lies in the engine, or its machine, having another speed
        than before: 0.08 is 8 % slower. None where iterations were not recorded.
        """
        return self.served.slower(self.calibration.cost, self.cut)

    def halves(self) -> tuple[Times, Times]:
        """Measured and predicted times of the requests from `cut` on."""
        rows = np.arange(len(self.served)) >= self.cut
        return _both(self.served, self.predicted, rows)


def missed(found: tuple[Error, ...], target: float) -> tuple[Error, ...]:
    """Those of the judged statistics that are further off than `target`."""
    return tuple(row for row in found if row.statistic in JUDGED and abs(row.error) > target)


def twin(
    log: str | Path | Served,
    *,
    split: float = 0.5,
    seed: int | None = None,
    target: float = TARGET,
    progress: Progress = lambda text: None,
) -> Twin:
    """Fit to the first `split` of a log's requests, predict all, compare on the others.

    `log` is a record of a live run, or what `from_log` makes of another one. What was fitted to is
    what had happened before the first of the other requests arrived. `seed` is that of the
    policy's random numbers, by default the record's own. Raises InputError if either part is too
    short, or if no request was answered.
    """
    served = log if isinstance(log, Served) else from_record(log)
    if not 0 < split < 1:
        raise UserError(f"a split of {split:g} leaves nothing to fit to, or nothing to compare")
    seed = served.seed if seed is None else seed
    cut = round(split * len(served))
    if not 0 < cut < len(served):
        message = f"{len(served)} requests cannot be split at {split:g}"
        raise InputError(served.source, [message])
    progress("fitting")
    calibration = served.calibrated(cut, progress)
    progress("simulating")
    told, predicted = predict(served.scenario, served.policy, calibration.cost, seed)
    rows = np.arange(len(served)) >= cut
    calibration = msgspec.structs.replace(
        calibration,
        meta=calibration.meta | {"requests": len(served), "fitted": cut},
        errors=compared(served, predicted, rows),
        seen=compared(served, predicted, ~rows),
    )
    return Twin(
        served=served,
        cut=cut,
        calibration=calibration,
        predicted=predicted,
        timeline=told,
        seed=seed,
        target=target,
    )


def compared(served: Served, predicted: Times, rows: np.ndarray | None = None) -> tuple[Error, ...]:
    """How far predictions are from what was measured, over the requests in `rows`, or over all.

    Raises InputError if none of them was answered on both sides.
    """
    rows = np.ones(len(served), dtype=np.bool_) if rows is None else rows
    measured, model = _both(served, predicted, rows)
    if np.isnan(model.finish).all():
        message = f"none of {int(rows.sum())} requests was answered: there is nothing to compare"
        raise InputError(served.source, [message])
    return errors(measured, model)


def _both(served: Served, predicted: Times, rows: np.ndarray) -> tuple[Times, Times]:
    """Measured and predicted times of some rows; NaN where either side has none."""
    arrival = served.requests.arrival / 1e6
    start = float(arrival[rows].min() - arrival.min())
    measured, model = part(served.times, rows, start), part(predicted, rows, start)
    known = [~(np.isnan(a) | np.isnan(b)) for a, b in zip(measured, model, strict=True)]

    def masked(found: Times) -> Times:
        return Times(*(np.where(k, x, np.nan) for k, x in zip(known, found, strict=True)))

    return masked(measured), masked(model)
