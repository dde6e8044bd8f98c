"""The highest rate at which a placement keeps its promises, by bisection over simulations.

Lengths and gaps are drawn once; another rate meets the same requests, only closer together, so that
more load is never confused with other luck. Goodput is per GPU (Zhong et al., DistServe, OSDI 2024,
section 2.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hocket.core.errors import UserError
from hocket.serving.disaggregation.configurations import Parallel, Placement, Profile
from hocket.serving.disaggregation.instance import Instance
from hocket.serving.disaggregation.ring import (
    Floats,
    Times,
    decode_ends,
    prefill_ends,
    simulate,
)

Ints = npt.NDArray[np.int64]


class Target(NamedTuple):
    """What `share` of the requests must stay below: `ttft` and `tpot`, in milliseconds.

    Each by itself, strictly, at the linearly interpolated percentile, as in the authors' search; if
    `joint`, that share must meet both at once, as in the attainment that papers plot.
    """

    ttft: float
    tpot: float
    share: float = 0.9
    joint: bool = False

    def met(self, times: Times) -> bool:
        """Whether a run stayed below."""
        if self.joint:
            return attainment(times, self) >= self.share
        return self.met_ttft(times.ttft) and _below(times.tpot, self.share, self.tpot)

    def met_ttft(self, ttft: Floats) -> bool:
        """Whether the share of requests that is needed at least has its first token in time."""
        if self.joint:
            return float(np.mean(ttft <= self.ttft)) >= self.share
        return _below(ttft, self.share, self.ttft)


def attainment(times: Times, target: Target) -> float:
    """The share of requests that meet both limits."""
    return float(np.mean((times.ttft <= target.ttft) & (times.tpot <= target.tpot)))


class Sample(NamedTuple):
    """Requests for any rate: `gaps` with mean 1 before each request, and their tokens.

    All of shape (n,); the first gap is usually 0.
    """

    gaps: Floats
    prompt: Ints
    output: Ints

    def arrivals(self, rate: float) -> Floats:
        """When the requests arrive, in milliseconds, `rate` of them per second."""
        return np.cumsum(self.gaps * (1 / rate) * 1000)


def sample(lengths: npt.ArrayLike, count: int, rng: np.random.Generator, cv: float = 1.0) -> Sample:
    """Draw `count` rows of `lengths` (prompt, output), shape (m, 2), and gaps between arrivals.

    Gaps are gamma distributed with coefficient of variation `cv`; 1 is a Poisson process. Rows are
    drawn without replacement if there are enough. Raises UserError.
    """
    rows = np.asarray(lengths, dtype=np.int64)
    if rows.ndim != 2 or rows.shape[1] != 2 or not len(rows) or count < 2:
        raise UserError("lengths must be rows of (prompt, output), and at least 2 be drawn")
    drawn = rows[rng.choice(len(rows), count, replace=count > len(rows))]
    shape = 1 / (cv * cv)
    gaps = np.concatenate([[0.0], rng.gamma(shape, cv * cv, count - 1)])
    return Sample(gaps, drawn[:, 0], drawn[:, 1])


def instances(placement: Placement, profile: Profile) -> tuple[Instance, Instance | None]:
    """The instances of a placement, the second None if it is colocated. Raises UserError."""
    if isinstance(placement, Parallel):
        prefill, decode = profile.instance(placement), None
    else:
        prefill, decode = profile.instance(placement.prefill), profile.instance(placement.decode)
    if prefill is None or (decode is None and not isinstance(placement, Parallel)):
        raise UserError(f"{placement} does not fit, or its times are not known")
    return prefill, decode


def run(placement: Placement, profile: Profile, requests: Sample, rate: float) -> Times:
    """Simulate a placement at a rate in requests per second. Raises UserError if it cannot run."""
    prefill, decode = instances(placement, profile)
    at = requests.arrivals(rate).tolist()
    prompt, output = requests.prompt.tolist(), requests.output.tolist()
    return simulate(at, prompt, output, prefill=prefill, decode=decode)


def meets(
    placement: Placement, profile: Profile, requests: Sample, rate: float, target: Target
) -> bool:
    """Whether a placement meets the target at a rate. It decodes only if prefill is in time.

    A placement that cannot hold the longest of the requests does not.
    """
    prefill, decode = instances(placement, profile)
    if not holds(prefill, decode or prefill, requests):
        return False
    if decode is None:
        return target.met(run(placement, profile, requests, rate))
    at, prompt, output = requests.arrivals(rate), requests.prompt.tolist(), requests.output.tolist()
    first, order = prefill_ends(at.tolist(), prompt, output, prefill)
    ttft = np.array(first) - at
    if not target.met_ttft(ttft):
        return False
    finish = np.array(decode_ends(first, order, prompt, output, decode))
    tpot = (finish - np.array(first)) / np.maximum(requests.output, 1)
    return target.met(Times(ttft, tpot, finish))


def holds(prefill: Instance, decode: Instance, requests: Sample) -> bool:
    """Whether each request by itself fits the memory of a prefill and of a decode instance."""
    longest = int((requests.prompt + requests.output).max())
    room = min(decode.context, decode.tokens)
    return int(requests.prompt.max()) <= prefill.tokens and longest <= room


def prefills_in_time(instance: Instance, requests: Sample, rate: float, target: Target) -> bool:
    """Whether a prefill instance alone meets the target at a rate."""
    if int(requests.prompt.max()) > instance.tokens:
        return False
    at = requests.arrivals(rate)
    prompt, output = requests.prompt.tolist(), requests.output.tolist()
    first, _ = prefill_ends(at.tolist(), prompt, output, instance)
    return target.met_ttft(np.array(first) - at)


def decodes_in_time(instance: Instance, requests: Sample, rate: float, target: Target) -> bool:
    """Whether a decode instance alone does, if requests reach it as they arrive."""
    if not holds(instance, instance, requests):
        return False
    at = requests.arrivals(rate).tolist()
    prompt, output = requests.prompt.tolist(), requests.output.tolist()
    finish = np.array(decode_ends(at, range(len(at)), prompt, output, instance))
    tpot = (finish - np.array(at)) / np.maximum(requests.output, 1)
    return _below(tpot, target.share, target.tpot)


def bisect(passes: Callable[[float], bool], most: float, step: float) -> float:
    """The highest rate that passes, among the middles of intervals between 0 and `most`.

    An interval no longer than `step` is not divided any more; 0 if nothing passed.
    """
    low, high, best = 0.0, most, 0.0
    while high - low > step:
        middle = (low + high) / 2
        if passes(middle):
            low = best = middle
        else:
            high = middle
    return best


def goodput(
    placement: Placement,
    profile: Profile,
    requests: Sample,
    target: Target,
    *,
    most: float = 16.0,
    step: float = 0.25,
) -> float:
    """The highest rate per GPU at which the placement meets the target; see `bisect`."""
    gpus = placement.gpus
    return bisect(lambda rate: meets(placement, profile, requests, rate * gpus, target), most, step)


def _below(values: Floats, share: float, limit: float) -> bool:
    return bool(np.quantile(values, share) < limit)
