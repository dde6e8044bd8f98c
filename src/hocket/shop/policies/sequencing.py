"""Single-machine policies that sequence all waiting jobs at once, and follow the sequence.

EDD, MDD, ATC, SPT and WSPT decide job by job and are dispatching rules (`policies.rules`); what is
here needs the whole set. A sequence is made of the jobs that wait, and made anew whenever a job
appears that was not in it: once in all where no job has a release date, else a rolling horizon.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.shop.dispatch import Dispatcher, ShopView, Start
from hocket.shop.model.arrays import Ints
from hocket.shop.tardiness import augmented, discovered, rules
from hocket.shop.tardiness.decomposition import decompose
from hocket.shop.tardiness.descent import descent
from hocket.shop.tardiness.dynasearch import dynasearch


class Sequencer(Policy, frozen=True):
    """A policy that puts all waiting jobs in order."""

    problems: ClassVar[tuple[str, ...]] = ("shop/single-machine",)

    def sequence(self, p: Ints, d: Ints, w: Ints, rng: np.random.Generator) -> Ints:
        """The order of jobs of duration `p`, due in `d` ticks from now, of weight `w`.

        Arrays of shape (n,); the weights are ones unless the objective has them. `rng` is the
        policy's own stream.
        """
        raise NotImplementedError(f"{type(self).__name__} has no sequence(p, d, w, rng)")

    def begin(self, scenario: Any, streams: Streams) -> Dispatcher:
        """See Policy.begin."""
        label = self.name.rpartition("/")[2]
        weighted = scenario.objective in ("weighted_tardiness", "weighted_flow_time")
        return _Follower(self, label, weighted, streams[f"policy.{label}"])


class _Follower:
    def __init__(
        self, policy: Sequencer, label: str, weighted: bool, rng: np.random.Generator
    ) -> None:
        self.policy, self.label, self.weighted, self.rng = policy, label, weighted, rng
        self.waiting: list[int] = []  # the next job last
        self.planned: set[int] = set()

    def dispatch(self, view: ShopView) -> Start:
        if not self.planned.issuperset(view.candidates):
            self._plan(view)
        ready = set(view.candidates)
        # A job may be gone from the candidates without having been started from here.
        while self.waiting[-1] not in ready:
            self.planned.discard(self.waiting.pop())
        operation = self.waiting.pop()
        self.planned.discard(operation)
        return Start(operation, f"next in the {self.label} sequence, {len(self.waiting)} to follow")

    def _plan(self, view: ShopView) -> None:
        jobs = np.array(view.candidates)
        weight = view.weight[jobs] if self.weighted else np.ones(len(jobs), dtype=np.int64)
        due = view.due[jobs] - view.now
        order = self.policy.sequence(view.duration[jobs], due, weight, self.rng)
        self.waiting = jobs[order][::-1].tolist()
        self.planned = set(self.waiting)


class PSK(Sequencer, frozen=True):
    """Panwalkar-Smith-Koulamas: SPT order, in which a job that would become late goes first."""

    name: ClassVar[str] = "shop/psk"
    source: ClassVar[str] = "Panwalkar, Smith, Koulamas, EJOR 70 (1993)"

    def sequence(self, p: Ints, d: Ints, w: Ints, rng: np.random.Generator) -> Ints:
        """See Sequencer.sequence."""
        return rules.psk(p, d)


class Panneerselvam(Sequencer, frozen=True):
    """Panneerselvam's rule: repeatedly the most work left beyond the due date, per duration."""

    name: ClassVar[str] = "shop/panneerselvam"
    source: ClassVar[str] = "Panneerselvam 1991, as coded by Cetinkaya et al., arXiv 2510.24013"

    def sequence(self, p: Ints, d: Ints, w: Ints, rng: np.random.Generator) -> Ints:
        """See Sequencer.sequence."""
        return rules.panneerselvam(p, d)


class NBR(Sequencer, frozen=True):
    """Net benefit of relocation: from EDD, long jobs move behind late ones where that saves."""

    name: ClassVar[str] = "shop/nbr"
    source: ClassVar[str] = "Holsenback, Russell, Journal of the OR Society 43 (1992)"

    def sequence(self, p: Ints, d: Ints, w: Ints, rng: np.random.Generator) -> Ints:
        """See Sequencer.sequence."""
        return rules.nbr(p, d)


class MooreHodgson(Sequencer, frozen=True):
    """Moore-Hodgson: the fewest late jobs; those given up go last."""

    name: ClassVar[str] = "shop/moore-hodgson"
    source: ClassVar[str] = "Moore, Management Science 15 (1968)"

    def sequence(self, p: Ints, d: Ints, w: Ints, rng: np.random.Generator) -> Ints:
        """See Sequencer.sequence."""
        return rules.moore_hodgson(p, d)


class EDDC(Sequencer, frozen=True):
    """EDD challenger, found by a language model; `version` "paper" is the printed pseudo-code."""

    name: ClassVar[str] = "shop/eddc"
    source: ClassVar[str] = "Cetinkaya et al., arXiv 2510.24013 (2025)"
    version: Literal["code", "paper"] = "code"

    def sequence(self, p: Ints, d: Ints, w: Ints, rng: np.random.Generator) -> Ints:
        """See Sequencer.sequence."""
        return discovered.eddc(p, d, self.version)


class MDDC(Sequencer, frozen=True):
    """MDD challenger, found by a language model."""

    name: ClassVar[str] = "shop/mddc"
    source: ClassVar[str] = "Cetinkaya et al., arXiv 2510.24013 (2025)"

    def sequence(self, p: Ints, d: Ints, w: Ints, rng: np.random.Generator) -> Ints:
        """See Sequencer.sequence."""
        return discovered.mddc(p, d)


class AugmentedMDD(Sequencer, frozen=True):
    """MDD; after each job the best move of an earlier job to the end is made (Bean and Hall)."""

    name: ClassVar[str] = "shop/augmented-mdd"
    source: ClassVar[str] = "Cetinkaya et al., arXiv 2510.24013 (2025)"

    def sequence(self, p: Ints, d: Ints, w: Ints, rng: np.random.Generator) -> Ints:
        """See Sequencer.sequence."""
        return augmented.augmented_mdd(p, d)


class AugmentedMDDC(Sequencer, frozen=True):
    """MDDC; after each job the best move of an earlier job to the end is made (Bean and Hall)."""

    name: ClassVar[str] = "shop/augmented-mddc"
    source: ClassVar[str] = "Cetinkaya et al., arXiv 2510.24013 (2025)"

    def sequence(self, p: Ints, d: Ints, w: Ints, rng: np.random.Generator) -> Ints:
        """See Sequencer.sequence."""
        return augmented.augmented_mddc(p, d)


class TardinessDescent(Sequencer, frozen=True):
    """Descent from WMDD by swaps and insertions to a local optimum of (weighted) tardiness."""

    name: ClassVar[str] = "shop/tardiness-descent"
    accept: Literal["best", "first"] = "best"
    insertions: bool = True

    def sequence(self, p: Ints, d: Ints, w: Ints, rng: np.random.Generator) -> Ints:
        """See Sequencer.sequence."""
        start = rules.wmdd(p, d, w)
        found = descent(p, d, w, start=start, accept=self.accept, insertions=self.insertions)
        return found.sequence


class Dynasearch(Sequencer, frozen=True):
    """Iterated dynasearch from WMDD: the best set of independent moves at once, then a kick."""

    name: ClassVar[str] = "shop/dynasearch"
    source: ClassVar[str] = "Congram, Potts, van de Velde, INFORMS J. on Computing 14 (2002)"
    iterations: int = 100
    kick: int = 6
    insertions: bool = True

    def __post_init__(self) -> None:
        """Refuse counts that make no search."""
        if self.iterations < 0 or self.kick < 1:
            raise ValueError("iterations must be at least 0, and kick at least 1")

    def sequence(self, p: Ints, d: Ints, w: Ints, rng: np.random.Generator) -> Ints:
        """See Sequencer.sequence."""
        found = dynasearch(
            p,
            d,
            w,
            start=rules.wmdd(p, d, w),
            rng=rng,
            iterations=self.iterations,
            kick=self.kick,
            insertions=self.insertions,
        )
        return found.sequence


class Decomposition(Sequencer, frozen=True):
    """Exact total tardiness by memoised decomposition; weights are ignored.

    Beyond `nodes` subproblems, the best of several heuristics stands in. A limit in nodes, not
    seconds, keeps the answer the same on every machine.
    """

    name: ClassVar[str] = "shop/decomposition"
    source: ClassVar[str] = "Lawler 1977; Shang, T'Kindt, Della Croce, Computers & OR 128 (2021)"
    nodes: int = 1_000_000

    def __post_init__(self) -> None:
        """Refuse a negative limit."""
        if self.nodes < 0:
            raise ValueError("nodes must be at least 0")

    def sequence(self, p: Ints, d: Ints, w: Ints, rng: np.random.Generator) -> Ints:
        """See Sequencer.sequence."""
        return decompose(p, d, node_limit=self.nodes).sequence


POLICIES = (
    PSK,
    Panneerselvam,
    NBR,
    MooreHodgson,
    EDDC,
    MDDC,
    AugmentedMDD,
    AugmentedMDDC,
    TardinessDescent,
    Dynasearch,
    Decomposition,
)
