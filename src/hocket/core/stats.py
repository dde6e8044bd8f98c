"""Statistics of runs: estimates with intervals, objectives of schedules, fairness.

Functions take anything NumPy reads as a one-dimensional array. Empty input and NaN are a
`ValueError` that names the argument: a statistic of nothing would hide a broken run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

Values: TypeAlias = npt.ArrayLike
Array: TypeAlias = npt.NDArray[np.float64]


class Estimate(msgspec.Struct, frozen=True):
    """A value with its confidence interval, from `n` observations.

    Prints as ``12.3 ± 0.4``, or as ``12.3 [12.1, 12.9]`` if the interval is lopsided. One
    observation has the whole line as its interval and prints as ``12.3 (n = 1)``.
    """

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        reach = (self.high - self.low) / 2
        if not math.isfinite(reach):
            return f"{self.mean:.6g} (n = {self.n})"
        if reach == 0:
            return f"{self.mean:.6g} ± 0"
        # One digit of the uncertainty says what the reader needs, two where it begins with a 1.
        leading, power = f"{reach:.1e}".split("e")
        digits = -int(power) + (leading < "2")
        mean, low, high = (_rounded(v, digits) for v in (self.mean, self.low, self.high))
        if abs(self.high + self.low - 2 * self.mean) > 0.1 * reach:
            return f"{mean} [{low}, {high}]"
        return f"{mean} ± {_rounded(reach, digits)}"


def _rounded(value: float, digits: int) -> str:
    return f"{round(value, digits):.{max(0, digits)}f}"


# Estimates


def mean(
    values: Values, confidence: float = 0.95, method: Literal["t", "normal"] = "t"
) -> Estimate:
    """The mean of independent observations with its interval.

    Student's t by default; "normal" takes the normal quantile instead, for large samples or to
    match a paper. A single observation has an infinite interval.
    """
    _check_confidence(confidence)
    data = _finite("values", values)
    center, n = float(data.mean()), len(data)
    if n == 1:
        return Estimate(center, -math.inf, math.inf, 1)
    error = float(data.std(ddof=1)) / math.sqrt(n)
    if method == "t":
        reach = t_quantile((1 + confidence) / 2, n - 1) * error
    elif method == "normal":
        reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
    else:
        raise ValueError(f"method must be 't' or 'normal', not {method!r}")
    return Estimate(center, center - reach, center + reach, n)


def paired(a: Values, b: Values, confidence: float = 0.95) -> Estimate:
    """The mean difference ``a[i] - b[i]`` with its t interval.

    For two policies on the same seeds: common random numbers make the pairs alike, so the
    difference is known far better than either mean (Law, Simulation Modeling and Analysis, 5th
    edition, section 10.2.1).
    """
    first, second = _together(a=a, b=b)
    return mean(first - second, confidence)


def bootstrap(
    values: Values,
    statistic: Callable[[Array], float],
    rng: np.random.Generator,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    method: Literal["bca", "percentile"] = "bca",
) -> Estimate:
    """Any statistic with a bootstrap interval; `mean` of the result is ``statistic(values)``.

    `statistic` takes a float array of shape ``(n,)``. "bca" corrects the percentiles for bias and
    skewness (Efron, Better bootstrap confidence intervals, JASA 1987), "percentile" does not.
    """
    _check_confidence(confidence)
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples}")
    if method not in ("bca", "percentile"):
        raise ValueError(f"method must be 'bca' or 'percentile', not {method!r}")
    data = _finite("values", values)
    n = len(data)
    value = float(statistic(data))
    if n == 1:
        return Estimate(value, -math.inf, math.inf, 1)
    draws = np.array([statistic(data[rng.integers(0, n, n)]) for _ in range(resamples)])
    tails = ((1 - confidence) / 2, (1 + confidence) / 2)
    if method == "bca":
        tails = _bca_tails(data, statistic, value, draws, tails)
    low, high = np.quantile(draws, tails)
    return Estimate(value, float(low), float(high), n)


def _bca_tails(
    data: Array,
    statistic: Callable[[Array], float],
    value: float,
    draws: Array,
    tails: tuple[float, float],
) -> tuple[float, float]:
    """The probabilities at which to read the bootstrap distribution (Efron 1987, equation 2.3)."""
    normal = NormalDist()
    below = float((draws < value).mean() + (draws <= value).mean()) / 2
    left_out = np.array([statistic(np.delete(data, i)) for i in range(len(data))])
    influence = left_out.mean() - left_out
    spread = float((influence**2).sum())
    if not 0 < below < 1 or spread == 0:
        return tails  # the draws lie all on one side, or no observation matters: no correction
    bias = normal.inv_cdf(below)
    acceleration = float((influence**3).sum()) / (6 * spread**1.5)

    def corrected(tail: float) -> float:
        z = bias + normal.inv_cdf(tail)
        return normal.cdf(bias + z / (1 - acceleration * z))

    return corrected(tails[0]), corrected(tails[1])


def quantiles(values: Values, at: Sequence[float]) -> Array:
    """The quantiles `at`, each in [0, 1], shape ``(len(at),)``.

    Linear interpolation between order statistics (type 7 of Hyndman & Fan, Sample quantiles in
    statistical packages, 1996; the default of NumPy and R).
    """
    if not all(0 <= q <= 1 for q in at):
        raise ValueError(f"quantiles are asked for in [0, 1], not {list(at)}")
    read: Array = np.quantile(_finite("values", values), np.array(at, dtype=float))
    return read


def quantile(values: Values, at: float) -> float:
    """One quantile; see `quantiles`."""
    return float(quantiles(values, [at])[0])


@lru_cache(maxsize=256)
def t_quantile(probability: float, freedom: int) -> float:
    """The quantile of Student's t with a whole number of degrees of freedom.

    Up to 200 degrees by bisection of the finite series of Abramowitz & Stegun, Handbook of
    Mathematical Functions, 26.7.3 and 26.7.4; above, by the expansion 26.7.5. Both agree with the
    exact value to nine digits for probabilities from 10^-4 to 1 - 10^-4.
    """
    if not 0 < probability < 1:
        raise ValueError(f"probability must be between 0 and 1, not {probability!r}")
    if freedom < 1:
        raise ValueError(f"freedom must be at least 1, not {freedom!r}")
    if probability < 0.5:
        return -t_quantile(1 - probability, freedom)
    if freedom > _SERIES_UP_TO:
        return _t_expansion(NormalDist().inv_cdf(probability), freedom)
    central = 2 * probability - 1
    low, high = 0.0, math.pi / 2
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if _t_central(middle, freedom) < central else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


_SERIES_UP_TO = 200


def _t_central(angle: float, freedom: int) -> float:
    """``P(|T| <= sqrt(freedom) * tan(angle))``: A&S 26.7.3 (odd) and 26.7.4 (even)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for k in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cosine**2 * (k - 1) / k
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def _t_expansion(x: float, freedom: int) -> float:
    """A&S 26.7.5: the t quantile from the normal quantile `x`, in powers of 1 / freedom."""
    terms: tuple[float, ...] = (
        x,
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return math.fsum(term / freedom**power for power, term in enumerate(terms))


# Objectives of schedules: `completion`, `release` and `due` are ticks, one entry per job


def flow_time(completion: Values, release: Values) -> Array:
    """``C_j - r_j`` of each job, in ticks; a job done before its release is a `ValueError`."""
    done, since = _together(completion=completion, release=release)
    return _refuse_below("flow time", done - since, 0)


def lateness(completion: Values, due: Values) -> Array:
    """``C_j - d_j`` of each job, in ticks, negative when early; no due date is ``inf``."""
    done, wanted = _together(completion=completion, due=due, infinite=True)
    return done - wanted


def tardiness(completion: Values, due: Values) -> Array:
    """``max(0, C_j - d_j)`` of each job, in ticks."""
    return np.maximum(0.0, lateness(completion, due))


def weighted_tardiness(completion: Values, due: Values, weight: Values) -> float:
    """The sum of ``w_j T_j``."""
    late, weights = _together(tardiness=tardiness(completion, due), weight=weight)
    return float(late @ _refuse_below("weight", weights, 0))


def max_lateness(completion: Values, due: Values) -> float:
    """``L_max``, the largest lateness; negative if every job is early."""
    return float(lateness(completion, due).max())


def number_late(completion: Values, due: Values) -> int:
    """How many jobs end after their due date."""
    return int((lateness(completion, due) > 0).sum())


def slowdown(flow: Values, processing: Values, bound: float = 0.0) -> Array:
    """Flow time over processing time of each job, at least 1.

    Jobs shorter than `bound` ticks count as that long, lest the shortest decide the mean (bounded
    slowdown: Feitelson, Metrics for parallel job scheduling and their convergence, JSSPP 2001).
    """
    spent, needed = _together(flow=flow, processing=processing)
    longer = np.maximum(needed, bound)
    if longer.min() <= 0:
        raise ValueError("a job without processing time has no slowdown: give a positive bound")
    return np.maximum(1.0, _refuse_below("flow", spent, 0) / longer)


def utilisation(busy: Values, horizon: float, capacity: Values = 1.0) -> Array:
    """``busy / (capacity * horizon)`` of each resource, in [0, 1]; `busy` in resource-ticks.

    `capacity` is one number or one per resource. More than 1 is a `ValueError`.
    """
    worked = _refuse_below("busy", _finite("busy", busy), 0)
    size = np.broadcast_to(np.asarray(capacity, dtype=float), worked.shape)
    if not (horizon > 0 and np.all(size > 0)):
        raise ValueError(f"horizon and capacity must be positive, not {horizon} and {capacity!r}")
    share: Array = worked / (size * horizon)
    if share.max() > 1 + 1e-9:
        raise ValueError(f"resource {share.argmax()} was busy {share.max():.6g} of the time")
    return share


# Fairness of an allocation: `shares` is what each user got, none negative


def jain(shares: Values) -> float:
    """Jain's index: 1 if all shares are equal, ``1 / n`` if one user has everything.

    ``(sum x)^2 / (n sum x^2)`` (Jain, Chiu, Hawe, A quantitative measure of fairness, DEC-TR-301,
    1984). Shares that are all zero are equal.
    """
    x = _shares(shares)
    top = x.max()
    if top == 0:
        return 1.0
    x = x / top  # squares then neither overflow nor vanish
    return float(x.sum() ** 2 / (len(x) * (x @ x)))


def max_min_ratio(shares: Values) -> float:
    """The largest share over the smallest; 1 is equal, ``inf`` if somebody got nothing."""
    x = _shares(shares)
    if x.min() == x.max():
        return 1.0
    return float(x.max()) / float(x.min()) if x.min() > 0 else math.inf


def gini(shares: Values) -> float:
    """The Gini coefficient: 0 if all shares are equal, ``1 - 1 / n`` if one user has everything.

    Half the mean absolute difference of two users over the mean share.
    """
    x = np.sort(_shares(shares))
    if x[-1] == 0:
        return 0.0
    x = x / x[-1]
    n = len(x)
    ranks = 2 * np.arange(1, n + 1) - n - 1
    return max(0.0, float(ranks @ x / (n * x.sum())))


# Input


def _finite(name: str, values: Values, infinite: bool = False) -> Array:
    """One-dimensional floats: not empty, no NaN, no infinity unless it is allowed."""
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not shape {data.shape}")
    if data.size == 0:
        raise ValueError(f"{name} is empty: there is nothing to compute a statistic of")
    wrong = np.isnan(data) if infinite else ~np.isfinite(data)
    if wrong.any():
        where = int(wrong.argmax())
        raise ValueError(f"{name}[{where}] is {data[where]}, which no statistic can use")
    return data


def _together(infinite: bool = False, **named: Values) -> list[Array]:
    """Several arrays of one length."""
    arrays = {name: _finite(name, values, infinite) for name, values in named.items()}
    if len({len(array) for array in arrays.values()}) > 1:
        sizes = ", ".join(f"{name} {len(array)}" for name, array in arrays.items())
        raise ValueError(f"lengths differ: {sizes}")
    return list(arrays.values())


def _shares(shares: Values) -> Array:
    return _refuse_below("shares", _finite("shares", shares), 0)


def _refuse_below(name: str, data: Array, least: float) -> Array:
    if data.min() < least:
        where = int(data.argmin())
        raise ValueError(f"{name}[{where}] = {data[where]:g} is below {least:g}")
    return data


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence!r}")
