"""How far predicted times are from measured ones."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import numpy.typing as npt

from hocket.core.stats import bootstrap
from hocket.serving.calibrate.replay import Times
from hocket.serving.cost.protocol import Floats

METRICS = ("ttft", "tpot", "e2e")
STATISTICS: dict[str, Callable[[Floats], float]] = {
    "mean": lambda x: float(np.mean(x)),
    "p50": lambda x: float(np.quantile(x, 0.5)),
    "p90": lambda x: float(np.quantile(x, 0.9)),
    "p99": lambda x: float(np.quantile(x, 0.99)),
}
RESAMPLES = 500


class Error(msgspec.Struct, frozen=True, kw_only=True):
    """A statistic of the measured and of the predicted times, in seconds.

    `error` is predicted / measured - 1, with a 95 % bootstrap interval over requests from `low` to
    `high`, None where there is none; `requests` is how many it is about.
    """

    metric: str
    statistic: str
    measured: float
    predicted: float
    error: float
    low: float | None
    high: float | None
    requests: int


def errors(
    measured: Times, predicted: Times, rows: npt.NDArray[np.bool_] | None = None, seed: int = 0
) -> tuple[Error, ...]:
    """Every statistic of every metric over the requests in `rows`, and the makespan of all.

    Requests without a time on either side are left out of that metric.
    """
    rows = np.ones(len(measured.e2e), dtype=np.bool_) if rows is None else rows
    rng = np.random.default_rng(seed)
    found: list[Error] = []
    for metric in METRICS:
        truth, model = getattr(measured, metric), getattr(predicted, metric)
        both = rows & ~np.isnan(truth) & ~np.isnan(model)
        if both.any():
            found += _statistics(metric, truth[both], model[both], rng)
    there = ~np.isnan(predicted.finish)
    spans = [float(np.max(times.finish[there])) for times in (measured, predicted)]
    found.append(
        Error(
            metric="makespan",
            statistic="max",
            measured=spans[0],
            predicted=spans[1],
            error=spans[1] / spans[0] - 1,
            low=None,
            high=None,
            requests=int(there.sum()),
        )
    )
    return tuple(found)


def _statistics(metric: str, truth: Floats, model: Floats, rng: np.random.Generator) -> list[Error]:
    numbers = np.arange(len(truth))
    found = []
    for name, statistic in STATISTICS.items():

        def error(drawn: Floats, statistic: Callable[[Floats], float] = statistic) -> float:
            rows = drawn.astype(np.int64)
            return statistic(model[rows]) / statistic(truth[rows]) - 1

        several = len(truth) > 1
        interval = bootstrap(numbers, error, rng, resamples=RESAMPLES) if several else None
        found.append(
            Error(
                metric=metric,
                statistic=name,
                measured=statistic(truth),
                predicted=statistic(model),
                error=statistic(model) / statistic(truth) - 1,
                low=interval.low if interval else None,
                high=interval.high if interval else None,
                requests=len(truth),
            )
        )
    return found
