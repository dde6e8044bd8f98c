"""Policies that ask: a decision becomes a question, and whoever is asked picks a row.

Who answers is not the policy's business. In a run it is the policy's own network; in training, a
trainer that samples; in a Gymnasium environment, the caller of ``step``. All of them see the same
questions, because the same decider puts them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from hocket.core.errors import UserError
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.learn.batch import Batch, Ints

if TYPE_CHECKING:
    from hocket.core.timeline import Timeline
    from hocket.learn.network import Network
    from hocket.learn.trainer import Trainer


class Question(NamedTuple):
    """What is to be decided, when (ticks), and what has been paid until now.

    `cost` is in the unit of `Asking.cost`; leave it at 0 where the cost is known only at the end.
    What is paid between two questions is the reward of the first, negated; what is paid back, such
    as a par for every job done, is a reward.
    """

    batch: Batch
    time: int = 0
    cost: float = 0.0


Choose = Callable[[Question], int]
"""Answers a question with one of its rows, counted within the table of actions."""


class Episode(NamedTuple):
    """One run to learn from."""

    scenario: Any
    seed: int


class Asked(NamedTuple):
    """The questions that an arena waits for: of the episodes `lanes`, one each, in that order."""

    lanes: Ints
    batch: Batch
    times: Ints
    costs: npt.NDArray[np.float64]


class Arena(Protocol):
    """Episodes played side by side, so that a network answers all their questions at once."""

    def asked(self) -> Asked | None:
        """What waits for an answer now; None when every episode is over."""

    def answer(self, rows: Ints) -> None:
        """One row per question of `asked`, counted within the question's own actions."""

    def costs(self) -> npt.NDArray[np.float64]:
        """What each episode cost in the end, in the order in which they were given."""


class Asking(Policy, frozen=True):
    """A policy whose decisions are put as questions."""

    def decider(self, scenario: Any, streams: Streams, choose: Choose) -> Any:
        """The decider of the domain's role, which puts its decisions to `choose`."""
        raise NotImplementedError(
            f"{type(self).__name__} has no decider(scenario, streams, choose)"
        )

    def begin(self, scenario: Any, streams: Streams) -> Any:
        """See Policy.begin. Raises UserError: alone, nobody answers."""
        raise UserError(
            f"{self.name} only puts questions: hocket.learn.models.as_policy joins it with a model"
        )

    def cost(self, scenario: Any, timeline: Timeline) -> float:
        """What a finished run cost, to be made small; by default the problem's first objective."""
        from hocket.core import registry

        problem = registry.problem_type(scenario)
        return float(problem.get("metrics")(scenario, timeline)[problem.objectives[0]])

    def arena(self, episodes: Sequence[Episode]) -> Arena:
        """Where episodes of this policy are played; by default in the domain's own simulator."""
        from hocket.learn.arena import Simulated

        return Simulated(self, episodes)


class Learned(Asking, frozen=True):
    """A policy with a network. `weights` names a file; left empty, those that come with hocket.

    A subclass gives `decider` (which is where its features are), `network`, and, to decide without
    PyTorch, `scorer`. Fields that a network is not shaped by, such as how many samples are drawn,
    are named in `free`: weights fit whatever their value is.
    """

    free: ClassVar[tuple[str, ...]] = ("weights",)
    weights: str = ""

    def network(self) -> Network:
        """A fresh network of this policy's architecture, initialised from PyTorch's own seed."""
        raise NotImplementedError(f"{type(self).__name__} has no network()")

    def scorer(self, weights: dict[str, npt.NDArray[np.float32]]) -> Callable[[Batch], Any]:
        """A function from a batch to the scores of its actions, float32 of shape (actions,).

        By default the network itself; small ones have a NumPy twin, for installs without PyTorch.
        """
        from hocket.learn.network import scorer

        return scorer(self.network(), weights)

    def trainer(self) -> Trainer:
        """The trainer that this policy is published with. Raises UserError if there is none."""
        raise UserError(f"{self.name} has no trainer of its own: name one, as with --trainer ppo")

    def curriculum(self, scenario: Any, progress: float) -> Any:
        """The scenario to train on when `progress` (0 to 1) of the training is over."""
        return scenario

    def begin(self, scenario: Any, streams: Streams) -> Any:
        """See Policy.begin. Always takes the row with the highest score, the first of equals."""
        from hocket.learn.weights import load

        score = self.scorer(load(self))
        return self.decider(
            scenario, streams, lambda question: best(score(question.batch), question.batch)
        )


def best(scores: npt.NDArray[np.floating[Any]], batch: Batch) -> int:
    """The row with the highest score among those that may be chosen; the first of equals."""
    return int(np.where(batch.mask, scores, -np.inf).argmax())
