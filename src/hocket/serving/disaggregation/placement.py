"""DistServe's placement search: how to cut prefill and decode instances, and how many of each.

`fast_links` is Algorithm 1 of the paper, for clusters whose nodes are joined by fast links: the two
phases are looked at one by one, and the best cut of each is replicated. `slow_links` is Algorithm
2: a prefill and a decode instance share nodes, pipeline segment by segment, and are looked at
together. `together` is the baseline, one instance for both phases, with searched parallelism. Every
candidate is measured by its goodput in simulation, and all are returned as evidence, best first.

Source: Zhong et al., DistServe, OSDI 2024, sections 4.1 and 4.2, algorithms 1 and 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Generic, Literal, NamedTuple, TypeVar

import msgspec

from hocket.core.errors import UserError
from hocket.core.paper import Progress
from hocket.core.pool import spread
from hocket.serving.disaggregation.configurations import (
    Pair,
    Parallel,
    Profile,
    colocated,
    pairs,
)
from hocket.serving.disaggregation.goodput import (
    Sample,
    Target,
    bisect,
    decodes_in_time,
    meets,
    prefills_in_time,
)

Phase = Literal["both", "prefill", "decode"]
P = TypeVar("P", Parallel, Pair)


class Options(NamedTuple):
    """How a search goes about it.

    - `most`, `step`: the highest rate per GPU looked at, and how finely; in requests per second
    - `workers`, `on`: as for `hocket.core.pool.spread`
    - `progress`: called after every candidate; `stop`: asked then, ends the search when true
    """

    most: float = 16.0
    step: float = 0.25
    workers: int | None = 1
    on: str = "local"
    progress: Progress | None = None
    stop: Callable[[], bool] | None = None


DEFAULT = Options()


class Row(NamedTuple, Generic[P]):
    """The evidence on one candidate: `goodput` per GPU, 0 if it met the target at no rate tried.

    `failed` says why it could not be measured.
    """

    placement: P
    goodput: float
    failed: str = ""

    @property
    def rate(self) -> float:
        """Requests per second that one copy of the placement serves within the target."""
        return self.goodput * self.placement.gpus


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to deploy: `copies` of the instance `prefill` and `decode_copies` of `decode`.

    Without `decode` the copies of `prefill` do both. `goodput` is per GPU, before copies are
    rounded up. `evidence` holds every candidate, best first, `decode_evidence` those of the decode
    phase where it was looked at by itself; `left` counts candidates that were not reached.
    """

    prefill: Parallel
    copies: int
    decode: Parallel | None = None
    decode_copies: int = 0
    goodput: float
    evidence: tuple[Row[Parallel], ...] | tuple[Row[Pair], ...] = ()
    decode_evidence: tuple[Row[Parallel], ...] = ()
    left: int = 0

    @property
    def gpus(self) -> int:
        """GPUs of the whole deployment."""
        more = self.decode_copies * self.decode.gpus if self.decode else 0
        return self.copies * self.prefill.gpus + more

    def __str__(self) -> str:
        text = f"{self.copies} x {self.prefill}"
        if self.decode is not None:
            text = f"prefill {text}, decode {self.decode_copies} x {self.decode}"
        return f"{text}: {self.gpus} GPUs, goodput {self.goodput:g} requests/s per GPU"


def fast_links(
    profile: Profile,
    nodes: int,
    gpus: int,
    requests: Sample,
    target: Target,
    traffic: float,
    options: Options = DEFAULT,
) -> Plan:
    """Algorithm 1: the best cut of each phase by itself, for `traffic` requests per second.

    A tensor-parallel group has at most `gpus` GPUs, an instance at most `nodes` times as many. What
    reaches decode instances while they are measured is a Poisson process (the paper leaves it
    open). Raises UserError if nothing meets the target.
    """
    cuts = [cut for cut in colocated(profile, nodes * gpus) if cut.tp <= gpus]
    prefills, left = measure(cuts, profile, requests, target, options, "prefill")
    decodes, more = measure(cuts, profile, requests, target, options, "decode")
    first, second = _best(prefills), _best(decodes)
    return Plan(
        prefill=first.placement,
        copies=replicas(traffic, first.rate),
        decode=second.placement,
        decode_copies=replicas(traffic, second.rate),
        goodput=1 / (1 / first.goodput + 1 / second.goodput),
        evidence=prefills,
        decode_evidence=decodes,
        left=left + more,
    )


def slow_links(
    profile: Profile,
    nodes: int,
    gpus: int,
    requests: Sample,
    target: Target,
    traffic: float,
    options: Options = DEFAULT,
) -> Plan:
    """Algorithm 2: the best pair that shares nodes, for `traffic` requests per second.

    Raises UserError if nothing meets the target.
    """
    rows, left = measure(pairs(profile, nodes, gpus), profile, requests, target, options)
    best = _best(rows)
    copies = replicas(traffic, best.rate)
    return Plan(
        prefill=best.placement.prefill,
        copies=copies,
        decode=best.placement.decode,
        decode_copies=copies,
        goodput=best.goodput,
        evidence=rows,
        left=left,
    )


def together(
    profile: Profile,
    gpus: int,
    requests: Sample,
    target: Target,
    traffic: float,
    options: Options = DEFAULT,
) -> Plan:
    """The best colocated instance of at most `gpus` GPUs, for `traffic` requests per second.

    Raises UserError if nothing meets the target.
    """
    rows, left = measure(colocated(profile, gpus), profile, requests, target, options)
    best = _best(rows)
    copies = replicas(traffic, best.rate)
    return Plan(
        prefill=best.placement, copies=copies, goodput=best.goodput, evidence=rows, left=left
    )


def replicas(traffic: float, rate: float) -> int:
    """How many copies serve `traffic` if one serves `rate`, at least 1."""
    return max(1, math.ceil(traffic / rate))


def measure(
    candidates: Sequence[P],
    profile: Profile,
    requests: Sample,
    target: Target,
    options: Options = DEFAULT,
    phase: Phase = "both",
) -> tuple[tuple[Row[P], ...], int]:
    """The goodput of every candidate that fits, best first, and how many were not reached.

    Candidates of equal goodput keep their order.
    """
    fitting = [candidate for candidate in candidates if profile.fits(candidate)]
    shared = (profile, requests, target, options.most, options.step, phase)
    found: dict[int, Row[P]] = {}
    outcomes = spread(_goodput, shared, fitting, workers=options.workers, on=options.on, lost=_lost)
    for index, (value, failed) in outcomes:
        found[index] = Row(fitting[index], value, failed)
        if options.progress is not None:
            what = f"{phase}: {fitting[index]}: {value:g} requests/s per GPU"
            options.progress(len(found), len(fitting), what)
        if options.stop is not None and options.stop():
            break
    rows = sorted((found[index] for index in sorted(found)), key=lambda row: -row.goodput)
    return tuple(rows), len(fitting) - len(found)


def _goodput(
    shared: tuple[Profile, Sample, Target, float, float, Phase], placement: Parallel | Pair
) -> tuple[float, str]:
    profile, requests, target, most, step, phase = shared

    def passes(per_gpu: float) -> bool:
        rate = per_gpu * placement.gpus
        instance = None
        if isinstance(placement, Parallel) and phase != "both":
            instance = profile.instance(placement)
        if instance is None:
            return meets(placement, profile, requests, rate, target)
        alone = prefills_in_time if phase == "prefill" else decodes_in_time
        return alone(instance, requests, rate, target)

    return bisect(passes, most, step), ""


def _lost(why: str) -> tuple[float, str]:
    return 0.0, why


def _best(rows: Sequence[Row[P]]) -> Row[P]:
    if not rows:
        raise UserError("no placement fits the memory of these GPUs and has known times")
    if rows[0].goodput == 0.0:
        raise UserError(
            f"none of {len(rows)} placements meets the target at any rate that was tried; the "
            f"best looked at first is {rows[0].placement}. Loosen the target, or lower the step"
        )
    return rows[0]
