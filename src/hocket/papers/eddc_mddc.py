"""EDDC and MDDC: heuristics for total tardiness that a language model discovered.

The experiment draws the published instance classes anew (no seeds were published), solves each
instance to proven optimality, and compares the mean gaps of the rules with the printed tables.
Different draws of the same classes cannot agree to the digit. The tolerance is fixed beforehand:
three standard errors of the difference of two independent means, ``3 s sqrt(1/n + 1/m)`` with s the
standard deviation of our gaps, n our number of instances and m the paper's. Both samples being
stratified by class, the true error is smaller. A gap within it is labelled `ratio`, never more.

Gaps are ``100 (value - optimum) / optimum`` averaged over the instances whose optimum is not 0, as
in the paper; the others are counted apart. Pooled gaps (sum over sum) stand in the notes: a mean of
gaps hangs on the few instances whose optimum is nearly 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hocket.core import stats
from hocket.core.paper import Claim, Paper, Progress, counting
from hocket.core.streams import Streams
from hocket.shop.generate.potts import Durations, potts_grid
from hocket.shop.tardiness.arrays import Ints
from hocket.shop.tardiness.augmented import augmented_mdd, augmented_mddc
from hocket.shop.tardiness.decomposition import decompose
from hocket.shop.tardiness.discovered import eddc, mddc
from hocket.shop.tardiness.objective import total_tardiness
from hocket.shop.tardiness.rules import edd, mdd, panneerselvam, psk

Floats = npt.NDArray[np.float64]

RULES: dict[str, Callable[[Ints, Ints], Ints]] = {
    "EDD": edd,
    "EDDC": eddc,
    "MDD": mdd,
    "MDDC": mddc,
    "Panneerselvam": panneerselvam,
    "PSK": psk,
    "Augmented MDD": augmented_mdd,
    "Augmented MDDC": augmented_mddc,
}


@dataclass(frozen=True)
class TestSet:
    """A published set of instances: how it is drawn, how many per class, and what was printed.

    `gaps` are mean percentages over `nonzero` instances of ``20 * full``; `pooled` are those that
    the published instances give, where known; `optimum` is the mean over the same instances.
    """

    __test__ = False  # not a test, whatever pytest thinks of the name

    title: str
    n: int
    durations: Durations
    clip: bool
    full: int
    short: int
    gaps: dict[str, float]
    nonzero: int
    optimum: float
    pooled: dict[str, float]
    note: str = ""


def _gaps(*printed: float) -> dict[str, float]:
    """Gaps in the order of RULES; NaN where nothing was printed."""
    named = zip(RULES, printed, strict=True)
    return {rule: gap for rule, gap in named if not math.isnan(gap)}


NONE = math.nan
UNIFORM_20 = TestSet(
    title="n=20 uniform",
    n=20,
    durations="uniform-99",
    clip=False,
    full=40,
    short=20,
    gaps=_gaps(46.6, 12.83, 1.86, 1.70, 411.49, 1.77, 1.21, 0.79),
    nonzero=680,
    optimum=1997.0,
    pooled={"MDD": 1.45, "MDDC": 0.77},
)
NORMAL_20 = TestSet(
    title="n=20 normal",
    n=20,
    durations="normal",
    clip=False,
    full=40,
    short=20,
    gaps=_gaps(31.95, 11.30, 2.51, 1.71, 366.7, 2.41, 1.43, 0.97),
    nonzero=670,
    optimum=2644.5,
    pooled={},
)
UNIFORM_100 = TestSet(
    title="n=100",
    n=100,
    durations="uniform-100",
    clip=True,
    full=10,
    short=4,
    gaps=_gaps(59.56, 28.12, 1.81, 1.52, 3433.60, 1.79, 1.27, 1.08),
    nonzero=163,
    optimum=41908.5,
    pooled={"MDD": 1.33, "MDDC": 1.21},
)
UNIFORM_200 = TestSet(
    title="n=200",
    n=200,
    durations="uniform-100",
    clip=True,
    full=10,
    short=3,
    gaps=_gaps(63.0, 52.02, 2.07, 2.00, NONE, 1.99, 1.53, 1.44),
    nonzero=160,
    optimum=164883.3,
    pooled={"MDD": 1.34, "MDDC": 1.28},
)
UNIFORM_500 = TestSet(
    title="n=500 re-aligned",
    n=500,
    durations="uniform-100",
    clip=True,
    full=10,
    short=0,
    gaps=_gaps(64.86, 31.95, 1.87, 1.82, NONE, 1.86, NONE, NONE),
    nonzero=160,
    optimum=998667.1,
    pooled={"MDD": 1.34, "MDDC": 1.29},
    note="published values after putting each stored optimum beside its own instance",
)
SETS = (UNIFORM_20, NORMAL_20, UNIFORM_100, UNIFORM_200, UNIFORM_500)
PRINTED_500 = _gaps(127.5, 271.75, 48.75, 48.40, NONE, 48.74, 48.15, 47.70)


@dataclass(frozen=True)
class Sample:
    """Optima and rule values of drawn instances, arrays of equal length."""

    optimum: Ints
    values: dict[str, Ints]

    @property
    def counted(self) -> npt.NDArray[np.bool_]:
        """The instances whose optimum is not 0."""
        counted: npt.NDArray[np.bool_] = self.optimum > 0
        return counted

    def gaps(self, rule: str) -> Floats:
        """Percentages above the optimum, over the counted instances."""
        optimum = self.optimum[self.counted]
        gaps: Floats = 100.0 * (self.values[rule][self.counted] - optimum) / optimum
        return gaps

    def pooled(self, rule: str) -> float:
        """The percentage by which the sum of values exceeds the sum of optima."""
        total = int(self.optimum[self.counted].sum())
        return 100.0 * (int(self.values[rule][self.counted].sum()) - total) / total


def reproduce(
    *, full: bool = False, seed: int = 0, progress: Progress | None = None
) -> list[Claim]:
    """The claims: seconds and samples of the sets up to 200 jobs; `full` takes them all, minutes.

    `full` draws the published numbers of instances: 800, 800, 200, 200 and 200.
    """
    streams = Streams(seed)
    work = [(s, s.full if full else s.short) for s in SETS]
    total = 20 * sum(count for _, count in work)
    tick = counting(total, progress)

    claims: list[Claim] = []
    for test_set, count in work:
        if count:
            rng = streams[f"eddc-mddc.{test_set.title}"]
            sample = draw(test_set, count, rng, tick)
            claims += _table(test_set, sample)
            claims += _errata(test_set, sample)
    return claims


def draw(
    test_set: TestSet,
    count: int,
    rng: np.random.Generator,
    tick: Callable[[str], None],
) -> Sample:
    """Draw `count` instances of each class, solve them, and run the rules of the printed table."""
    optimum: list[int] = []
    values: dict[str, list[int]] = {rule: [] for rule in test_set.gaps}
    grid = potts_grid(test_set.n, count, rng, durations=test_set.durations, clip=test_set.clip)
    for _, _, p, d in grid:
        optimum.append(decompose(p, d).value)
        for rule, found in values.items():
            found.append(total_tardiness(RULES[rule](p, d), p, d))
        tick(test_set.title)
    return Sample(np.array(optimum), {rule: np.array(found) for rule, found in values.items()})


def tolerance(observations: Floats, published: int) -> float:
    """Three standard errors of the difference between our mean and one over `published` draws."""
    spread = float(observations.std(ddof=1))
    return 3 * spread * math.sqrt(1 / len(observations) + 1 / published)


def _table(test_set: TestSet, sample: Sample) -> Iterator[Claim]:
    """One claim per printed figure of a set."""
    for rule, published in test_set.gaps.items():
        pooled = f"pooled {sample.pooled(rule):.2f}"
        if rule in test_set.pooled:
            pooled += f" (published instances: {test_set.pooled[rule]:.2f})"
        yield _mean_claim(
            f"{test_set.title}: {rule} gap %", published, sample.gaps(rule), test_set, pooled
        )
    optima = sample.optimum[sample.counted].astype(float)
    yield _mean_claim(f"{test_set.title}: mean optimum", test_set.optimum, optima, test_set, "")
    yield _zeros(test_set, sample)


def _mean_claim(
    name: str, published: float, observations: Floats, test_set: TestSet, extra: str
) -> Claim:
    allowed = tolerance(observations, test_set.nonzero)
    measured = float(observations.mean())
    parts = (f"tolerance ±{allowed:.3g}", f"{len(observations)} instances", extra, test_set.note)
    return Claim(
        name=name,
        published=published,
        measured=round(measured, 2),
        fidelity="ratio",
        holds=abs(measured - published) <= allowed,
        note="; ".join(part for part in parts if part),
    )


def _zeros(test_set: TestSet, sample: Sample) -> Claim:
    """The share of instances with optimum 0, which the means leave out."""
    zero = ~sample.counted
    instances = 20 * test_set.full
    published = 1 - test_set.nonzero / instances
    spread = math.sqrt(published * (1 - published))
    allowed = 3 * spread * math.sqrt(1 / len(zero) + 1 / instances)
    extra = ""
    if "Panneerselvam" in sample.values:
        total = int(sample.values["Panneerselvam"][zero].sum())
        extra = f"; total tardiness of Panneerselvam's rule on them: {total}"
    return Claim(
        name=f"{test_set.title}: instances with optimum 0, %",
        published=round(100 * published, 2),
        measured=round(100 * float(zero.mean()), 2),
        fidelity="ratio",
        holds=abs(float(zero.mean()) - published) <= allowed,
        note=f"tolerance ±{100 * allowed:.3g}; left out of the means{extra}",
    )


def _errata(test_set: TestSet, sample: Sample) -> Iterator[Claim]:
    """What the paper says of the set and the evidence does not support."""
    if test_set is UNIFORM_20:
        gaps = sample.gaps("EDD")
        yield Claim(
            name="n=20 uniform: EDDC gap % from the printed Algorithm 1",
            published=test_set.gaps["EDDC"],
            measured=round(float(gaps.mean()), 2),
            fidelity="ratio",
            holds=abs(float(gaps.mean()) - test_set.gaps["EDDC"]) <= tolerance(gaps, 680),
            note="erratum: read literally, Algorithm 1 gives EDD; the released code, which starts "
            "from SPT, gives the table",
        )
    if test_set is UNIFORM_500:
        for rule, printed in PRINTED_500.items():
            if rule in sample.values:
                gaps = sample.gaps(rule)
                yield Claim(
                    name=f"n=500 as printed: {rule} gap %",
                    published=printed,
                    measured=round(float(gaps.mean()), 2),
                    fidelity="ratio",
                    holds=abs(float(gaps.mean()) - printed) <= tolerance(gaps, 160),
                    note="erratum: in each class of ten, the stored optima are in another order "
                    "than the instances",
                )
    difference = stats.paired(sample.gaps("MDDC"), sample.gaps("MDD"))
    wins = int(np.count_nonzero(sample.gaps("MDDC") < sample.gaps("MDD")))
    losses = int(np.count_nonzero(sample.gaps("MDDC") > sample.gaps("MDD")))
    yield Claim(
        name=f"{test_set.title}: MDDC minus MDD, points of gap",
        published=round(test_set.gaps["MDDC"] - test_set.gaps["MDD"], 2),
        measured=str(difference),
        fidelity="shape",
        holds=difference.high < 0,
        note=f"paired 95 % interval; holds if all of it is below 0; MDDC wins {wins}, loses "
        f"{losses}, ties {difference.n - wins - losses}",
    )


PAPER = Paper(
    name="eddc-mddc",
    title="Discovering Heuristics with Large Language Models for Mixed-Integer Programs: "
    "Single-Machine Scheduling",
    citation="I. O. Cetinkaya, I. E. Buyuktahtakin, P. Shojaee, C. K. Reddy, "
    "arXiv 2510.24013 (2025)",
    policies=(
        "shop/eddc",
        "shop/mddc",
        "shop/augmented-mdd",
        "shop/augmented-mddc",
        "shop/psk",
        "shop/panneerselvam",
        "shop/decomposition",
    ),
    reproduce="hocket.papers.eddc_mddc:reproduce",
    notes=(
        "Erratum: Algorithm 1 (EDDC) as printed sorts by due date and is EDD; the tables come from "
        "the released code, which starts from SPT. `shop/eddc` has both, as `version`.",
        "Erratum: in the 500-job file the stored optima are shifted against the instances inside "
        "every class; re-aligned, MDDC's gap is 1.82 %, not 48.40 %.",
        "At n=20 the advantage of MDDC over MDD is within sampling error (paired, on the published "
        "instances: -0.16 ± 0.41 points; MDDC wins 169, loses 244).",
        "The normal set does not agree with its description: drawn from N(60, 20), cut to whole "
        "numbers of at least 0, EDD's gap differs from the printed one by more than sampling error "
        "(with the published counts MDDC's does too). How it was really drawn is not published.",
        "Exact methods do not end at 100 jobs: decomposition proves 500 in seconds.",
    ),
)
