"""Priority dispatching rules: the smallest value of one expression goes first.

Names and definitions follow Panwalkar and Iskander, "A survey of scheduling rules", Operations
Research 25 (1977), and Haupt, "A survey of priority rule-based scheduling", OR Spektrum 11 (1989).
Ties go to the lowest operation number, which is the lowest job.
"""

from __future__ import annotations

from math import isnan
from typing import ClassVar

import numpy as np

from hocket.core.errors import IllegalDecision
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.shop.dispatch import Dispatcher, ShopView, Start
from hocket.shop.model.arrays import Ints
from hocket.shop.model.jobshop import JobShop

SHOPS = ("shop/job-shop", "shop/single-machine")
Values = Ints | np.ndarray[tuple[int], np.dtype[np.float64]]


class Rule(Policy, frozen=True):
    """A rule that ranks the waiting operations by one expression."""

    problems: ClassVar[tuple[str, ...]] = SHOPS

    def priority(self, view: ShopView, op: Ints) -> Values:
        """The value of each operation of `op` (shape (n,)); the smallest goes first."""
        raise NotImplementedError(f"{type(self).__name__} has no priority(view, op)")

    def begin(self, scenario: JobShop, streams: Streams) -> Dispatcher:
        """See Policy.begin."""
        return _ByPriority(self)


class _ByPriority:
    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.label = rule.name.rpartition("/")[2]

    def dispatch(self, view: ShopView) -> Start:
        candidates = view.candidates
        if len(candidates) == 1:
            return Start(candidates[0], "the only candidate")
        best, value = first(self.rule, view, np.array(candidates))
        reason = f"{self.label} {value:g}, least of {len(candidates)}"
        return Start(candidates[best], reason)


def first(rule: Rule, view: ShopView, op: Ints) -> tuple[int, float]:
    """Which of `op` the rule puts first, by its place there, and the value it has.

    Raises IllegalDecision for values that rank nothing: not one for each operation, or NaN.
    """
    values = rule.priority(view, op)
    if getattr(values, "shape", None) != op.shape:
        why = f"priority must return an array with a number for each of {len(op)} operations"
        raise IllegalDecision(rule.name, view.now, f"on {values!r:.60}", why)
    best = int(values.argmin())
    if isnan(values[best]):  # argmin takes NaN for the least
        which = view.arrays.operations[op[best]]
        raise IllegalDecision(rule.name, view.now, f"on {which!r}", "its priority is not a number")
    return best, values[best]


class FIFO(Rule, frozen=True):
    """First in, first out: the operation that has waited longest."""

    name: ClassVar[str] = "shop/fifo"

    def priority(self, view: ShopView, op: Ints) -> Values:
        """See Rule.priority."""
        return view.ready[op]


class LIFO(Rule, frozen=True):
    """Last in, first out: the operation that came last."""

    name: ClassVar[str] = "shop/lifo"

    def priority(self, view: ShopView, op: Ints) -> Values:
        """See Rule.priority."""
        return -view.ready[op]


class SPT(Rule, frozen=True):
    """Shortest processing time."""

    name: ClassVar[str] = "shop/spt"

    def priority(self, view: ShopView, op: Ints) -> Values:
        """See Rule.priority."""
        return view.duration[op]


class LPT(Rule, frozen=True):
    """Longest processing time."""

    name: ClassVar[str] = "shop/lpt"

    def priority(self, view: ShopView, op: Ints) -> Values:
        """See Rule.priority."""
        return -view.duration[op]


class MWKR(Rule, frozen=True):
    """Most work remaining in the job."""

    name: ClassVar[str] = "shop/mwkr"

    def priority(self, view: ShopView, op: Ints) -> Values:
        """See Rule.priority."""
        return -view.remaining_work[op]


class LWKR(Rule, frozen=True):
    """Least work remaining in the job."""

    name: ClassVar[str] = "shop/lwkr"

    def priority(self, view: ShopView, op: Ints) -> Values:
        """See Rule.priority."""
        return view.remaining_work[op]


class MOPNR(Rule, frozen=True):
    """Most operations remaining in the job."""

    name: ClassVar[str] = "shop/mopnr"

    def priority(self, view: ShopView, op: Ints) -> Values:
        """See Rule.priority."""
        return -view.remaining_ops[op]


class FDDMWKR(Rule, frozen=True):
    """Smallest ratio of flow due date (release plus work up to here) to most work remaining.

    Sels, Gheysen, Vanhoucke, "A comparison of priority rules for the job shop scheduling problem
    under different flow time- and tardiness-related objective functions", IJPR 50 (2012).
    """

    name: ClassVar[str] = "shop/fdd-mwkr"
    source: ClassVar[str] = "Sels, Gheysen, Vanhoucke, IJPR 50 (2012)"

    def priority(self, view: ShopView, op: Ints) -> Values:
        """See Rule.priority."""
        first = np.array(view.arrays.first)[view.arrays.job[op]]
        rest = view.remaining_work[op]
        done = view.remaining_work[first] - rest
        flow_due = view.release[op] + done + view.arrays.shortest[op]
        ratio: Values = flow_due / np.maximum(rest, 1)
        return ratio


class EDD(Rule, frozen=True):
    """Earliest due date of the job (Jackson 1955)."""

    name: ClassVar[str] = "shop/edd"

    def priority(self, view: ShopView, op: Ints) -> Values:
        """See Rule.priority."""
        return view.due[op]


class MDD(Rule, frozen=True):
    """Modified due date: the due date, or the earliest possible completion if that is later."""

    name: ClassVar[str] = "shop/mdd"
    source: ClassVar[str] = "Baker and Bertrand, Journal of Operations Management 3 (1982)"

    def priority(self, view: ShopView, op: Ints) -> Values:
        """See Rule.priority."""
        return np.maximum(view.now + view.remaining_work[op], view.due[op])


class SlackPerOperation(Rule, frozen=True):
    """S/OPN: least slack per remaining operation."""

    name: ClassVar[str] = "shop/s-opn"

    def priority(self, view: ShopView, op: Ints) -> Values:
        """See Rule.priority."""
        slack = view.due[op] - view.now - view.remaining_work[op]
        return slack / view.remaining_ops[op]


class CriticalRatio(Rule, frozen=True):
    """CR: least time to the due date per unit of remaining work."""

    name: ClassVar[str] = "shop/cr"

    def priority(self, view: ShopView, op: Ints) -> Values:
        """See Rule.priority."""
        return (view.due[op] - view.now) / np.maximum(view.remaining_work[op], 1)


class WSPT(Rule, frozen=True):
    """Weighted shortest processing time: least duration per unit of weight (Smith 1956)."""

    name: ClassVar[str] = "shop/wspt"
    source: ClassVar[str] = "Smith, Naval Research Logistics Quarterly 3 (1956)"

    def priority(self, view: ShopView, op: Ints) -> Values:
        """See Rule.priority."""
        weight = view.weight[op]
        return np.where(weight > 0, view.duration[op] / np.maximum(weight, 1), np.inf)


class ATC(Rule, frozen=True):
    """Apparent tardiness cost: weight per work, discounted by the slack.

    Priority ``w/p exp(-max(0, slack) / (k mean p))``, where the slack leaves `lead` times its
    duration for the waiting before each later operation of the job.
    """

    name: ClassVar[str] = "shop/atc"
    source: ClassVar[str] = "Vepsalainen and Morton, Management Science 33 (1987)"
    k: float = 2.0
    lead: float = 2.0

    def __post_init__(self) -> None:
        """Refuse a look-ahead that is not positive."""
        if not self.k > 0 or not self.lead >= 0:
            raise ValueError("k must be above 0, and lead at least 0")

    def priority(self, view: ShopView, op: Ints) -> Values:
        """See Rule.priority. The logarithm is compared, so nothing underflows."""
        own = view.duration[op]
        later = view.remaining_work[op] - view.arrays.shortest[op]
        slack = np.maximum(view.due[op] - view.now - own - (1 + self.lead) * later, 0)
        scale = self.k * max(int(own.sum()) / len(own), 1e-9)
        value: Values = slack / scale - np.log((view.weight[op] + 1e-9) / (own + 1e-9))
        return value


class Composite(Rule, frozen=True):
    """A weighted sum of simple rules, each scaled to a range of 1 over the candidates.

    Positive weights favour short operations (`spt`), jobs with much work (`mwkr`) or many
    operations left (`mopnr`), long waits (`fifo`), early due dates (`edd`), little slack (`slack`).
    """

    name: ClassVar[str] = "shop/composite"
    spt: float = 1.0
    mwkr: float = 1.0
    mopnr: float = 0.0
    fifo: float = 0.0
    edd: float = 0.0
    slack: float = 0.0

    def priority(self, view: ShopView, op: Ints) -> Values:
        """See Rule.priority."""
        terms = (
            (self.spt, view.duration[op]),
            (self.mwkr, -view.remaining_work[op]),
            (self.mopnr, -view.remaining_ops[op]),
            (self.fifo, view.ready[op]),
            (self.edd, view.due[op]),
            (self.slack, view.due[op] - view.remaining_work[op]),
        )
        total = np.zeros(len(op))
        for weight, values in terms:
            if weight:
                spread = int(values.max() - values.min())
                total += values * (weight / max(spread, 1))
        return total


class Random(Policy, frozen=True):
    """A candidate at random, each as likely; the baseline that any rule must beat."""

    name: ClassVar[str] = "shop/random"
    problems: ClassVar[tuple[str, ...]] = SHOPS

    def begin(self, scenario: JobShop, streams: Streams) -> Dispatcher:
        """See Policy.begin."""
        return _AtRandom(streams["policy.random"])


class _AtRandom:
    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def dispatch(self, view: ShopView) -> Start:
        candidates = view.candidates
        chosen = candidates[int(self.rng.random() * len(candidates))]
        return Start(chosen, f"drawn from {len(candidates)}")


POLICIES: tuple[type[Policy], ...] = (
    FIFO,
    LIFO,
    SPT,
    LPT,
    MWKR,
    LWKR,
    MOPNR,
    FDDMWKR,
    EDD,
    MDD,
    ATC,
    SlackPerOperation,
    CriticalRatio,
    WSPT,
    Composite,
    Random,
)
