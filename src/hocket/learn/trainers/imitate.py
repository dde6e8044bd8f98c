"""Imitation: learn to answer as a teacher does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from hocket.core.errors import RunError, UserError
from hocket.core.load import load_policy
from hocket.learn.asking import Asked, Asking, Choose, Episode, Learned, Question, best
from hocket.learn.batch import Batch, Ints
from hocket.learn.collect import scoring
from hocket.learn.network import Network
from hocket.learn.sampling import sample
from hocket.learn.trainer import Collect, Draw
from hocket.learn.trainers.gradient import (
    GradientLearner,
    GradientTrainer,
    mean_of,
    minibatches,
)
from hocket.learn.trainers.labels import Labelled, imitate_step, together
from hocket.learn.weights import load


@runtime_checkable
class Taught(Protocol):
    """A policy that knows who answers its questions well: a solver, a rule, an oracle."""

    def teacher(self, episode: Episode) -> Choose:
        """Who answers the questions of this episode, which are put in order, each once.

        A teacher that needs to know more than the network sees can be given it in the question: a
        table that the network never reads, such as the numbers of the operations.
        """


class Imitate(GradientTrainer, frozen=True):
    """Imitation of a teacher: behavioural cloning, or DAgger where the learner leads.

    - `teacher`: a trained policy that puts the same questions, by its name or as a mapping of name
      and fields (such as its `weights`); empty takes the teacher that the policy itself knows, see
      `Taught`
    - `episodes`: played in an update; `minibatch`: questions per gradient step, 0 takes all
    - `beta`: the chance that a question is answered as the teacher would, 1 being cloning. Whoever
      answers, the teacher's answer is what is learnt, so the learner sees the states that its own
      mistakes lead to
    - `beta_decay`: what `beta` is multiplied with after each update
    """

    name: ClassVar[str] = "imitate"
    source: ClassVar[str] = (
        "Ross, Gordon, Bagnell, A reduction of imitation learning and structured prediction to "
        "no-regret online learning, AISTATS 2011"
    )
    teacher: str | dict[str, Any] = ""
    episodes: int = 16
    minibatch: int = 256
    beta: float = 1.0
    beta_decay: float = 1.0

    def __post_init__(self) -> None:
        """Refuse settings that cannot train."""
        super().__post_init__()
        if self.episodes < 1 or self.minibatch < 0:
            raise ValueError("episodes must be at least 1, and minibatch at least 0")
        if not 0 <= self.beta <= 1 or not 0 <= self.beta_decay <= 1:
            raise ValueError("beta and beta_decay must be between 0 and 1")

    def start(self, policy: Learned, network: Network) -> Imitation:
        """See Trainer.start. Raises UserError if there is no teacher."""
        return Imitation(self, policy, network, _teacher(self.teacher, policy))


def _teacher(named: str | dict[str, Any], policy: Learned) -> Callable[[Episode], Choose]:
    """Who teaches each episode. Raises UserError, UnknownName."""
    if not named:
        if not isinstance(policy, Taught):
            raise UserError(
                f"{policy.name} knows no teacher: name a trained policy that puts the same "
                "questions, or give the policy a method teacher(episode)"
            )
        return policy.teacher
    teacher = load_policy(named)
    if not isinstance(teacher, Learned):
        raise UserError(f"{teacher.name} cannot teach: it has no network that answers questions")
    score = teacher.scorer(load(teacher))
    return lambda episode: lambda question: best(score(question.batch), question.batch)


class Imitation(GradientLearner[Imitate]):
    """Imitation in progress."""

    def __init__(
        self,
        settings: Imitate,
        policy: Asking,
        network: Network,
        teacher: Callable[[Episode], Choose],
    ) -> None:
        """Nothing learnt yet. `teacher` gives who answers the questions of an episode."""
        super().__init__(settings, network)
        self.policy, self.teacher = policy, teacher

    def learn(self, draw: Draw, collect: Collect, rng: np.random.Generator) -> dict[str, float]:
        """One update: play, ask the teacher about every question, imitate."""
        labelled, costs = self.lesson(draw(self.settings.episodes), rng)
        told = [
            imitate_step(self, labelled, chosen)
            for chosen in minibatches(len(labelled.rows), self.settings.minibatch, rng)
        ]
        return mean_of(told) | {"cost": float(np.mean(costs)), "beta": self.beta}

    @property
    def beta(self) -> float:
        """The chance that the teacher answers in this update."""
        return self.settings.beta * self.settings.beta_decay**self.updates

    def lesson(
        self, episodes: Sequence[Episode], rng: np.random.Generator
    ) -> tuple[Labelled, Sequence[float]]:
        """Questions met with a mixture of teacher and learner, with the teacher's answers."""
        teachers = [self.teacher(episode) for episode in episodes]
        arena = self.policy.arena(episodes)
        batches: list[Batch] = []
        labels: list[Ints] = []
        with scoring(self.network) as score:
            while (asked := arena.asked()) is not None:
                right = _answers(teachers, asked)
                batches.append(asked.batch)
                labels.append(right)
                given = right
                if self.beta < 1:
                    own, _ = sample(score(asked.batch)[0], asked.batch, rng)
                    given = np.where(rng.random(len(right)) < self.beta, right, own)
                arena.answer(given)
        return together(batches, labels), arena.costs().tolist()


def _answers(teachers: Sequence[Choose], asked: Asked) -> Ints:
    """What the teachers answer."""
    rows = [
        teachers[lane](Question(asked.batch.take([i]), time, cost))
        for i, (lane, time, cost) in enumerate(
            zip(asked.lanes.tolist(), asked.times.tolist(), asked.costs.tolist(), strict=True)
        )
    ]
    found = np.array(rows, np.int64)
    bounds = asked.batch.bounds
    inside = (found >= 0) & (found < np.diff(bounds))
    if not (inside & asked.batch.mask[bounds[:-1] + np.where(inside, found, 0)]).all():
        raise RunError("the teacher answered with a row that may not be chosen")
    return found
