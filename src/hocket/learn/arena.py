"""Episodes in the domain's own simulator, many side by side in one process.

Each episode runs the ordinary simulator from beginning to end inside a greenlet, a function that
can be left in the middle and entered again there. When its decider asks something, the greenlet is
left with the question; the answer enters it again. So no simulator knows of training, and what is
learnt from is exactly what is run. Needs greenlet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hocket.core import registry
from hocket.core.errors import IllegalDecision, RunError, UserError
from hocket.core.extras import need
from hocket.core.plugins import crash
from hocket.core.streams import Streams
from hocket.learn.asking import Asked, Asking, Choose, Episode, Question
from hocket.learn.batch import Bools, Ints, join


class Simulated:
    """The arena of a policy whose domain has a simulator.

    All live episodes wait at a question each, and one `answer` sends them on to their next. A
    question with a single row that may be chosen is answered here at once: nobody could learn from
    it, and no network need be run for it. What is paid meanwhile counts for the question before.

    Dropping an arena ends its episodes where they are, as `close` does.
    """

    def __init__(self, policy: Asking, episodes: Sequence[Episode]) -> None:
        """Nothing runs before the first `asked`. Raises MissingExtra without greenlet."""
        self._greenlet = need("greenlet", "learn")
        self._policy = policy
        self._episodes = list(episodes)
        self._live = [_start(self._greenlet, policy, episode) for episode in self._episodes]
        self._lanes = list(range(len(self._episodes)))  # of the episodes that wait, ascending
        self._waiting: list[Question] = []
        self._costs = np.full(len(self._episodes), np.nan)
        self._asked: Asked | None = None
        self._begun = False

    def asked(self) -> Asked | None:
        """See Arena.asked.

        Raises RunError, or UserError where the user has to change something, that names the
        episode whose simulation failed; the arena is closed then.
        """
        if not self._begun:
            self._begun = True
            self._advance([None] * len(self._lanes))
        if self._asked is None and self._lanes:
            self._asked = Asked(
                np.array(self._lanes),
                join([question.batch for question in self._waiting]),
                np.array([question.time for question in self._waiting], np.int64),
                np.array([question.cost for question in self._waiting], np.float64),
            )
        return self._asked

    def answer(self, rows: Ints) -> None:
        """See Arena.answer. Raises IllegalDecision for a row that may not be chosen."""
        asked = self.asked()
        if asked is None:
            raise UserError("nothing is asked: every episode of this arena is over")
        self._check(asked, np.asarray(rows))
        self._asked = None
        self._advance(np.asarray(rows).tolist())

    def costs(self) -> npt.NDArray[np.float64]:
        """See Arena.costs. NaN for the episodes that are not over."""
        return self._costs.copy()

    def close(self) -> None:
        """End the episodes that still run; what they hold is released."""
        self._lanes, self._waiting, self._asked = [], [], None
        while self._live:
            playing = self._live.pop()
            if playing:
                playing.parent = self._greenlet.getcurrent()
                playing.throw(self._greenlet.GreenletExit)

    def _advance(self, answers: Sequence[int | None]) -> None:
        """Send each waiting episode on to its next question, or to its end."""
        here = self._greenlet.getcurrent()
        lanes, waiting = [], []
        for lane, row in zip(self._lanes, answers, strict=True):
            playing = self._live[lane]
            playing.parent = here
            try:
                said = playing.switch() if row is None else playing.switch(row)
                if playing.dead:
                    self._costs[lane] = _finite(said)
                else:
                    lanes.append(lane)
                    waiting.append(said)
            except Exception as error:
                self.close()
                raise self._named(lane, error) from error
        self._lanes, self._waiting = lanes, waiting

    def _named(self, lane: int, error: Exception) -> RunError | UserError:
        kind = UserError if isinstance(error, UserError) else RunError
        expected = isinstance(error, RunError | UserError)
        told = str(error) if expected else crash(error)
        return kind(f"{self._policy.name} in {self._name(lane)}: {told}")

    def _name(self, lane: int) -> str:
        episode = self._episodes[lane]
        return f"the episode {episode.scenario.name or 'of a scenario'!r}, seed {episode.seed}"

    def _check(self, asked: Asked, rows: npt.NDArray[Any]) -> None:
        if rows.shape != asked.lanes.shape or rows.dtype.kind not in "iu":
            raise UserError(
                f"{len(asked.lanes)} questions are asked, to be answered with an array of as many "
                f"integers, not with one of {rows.dtype} of shape {rows.shape}"
            )
        bounds = asked.batch.bounds
        sizes = np.diff(bounds)
        inside = (rows >= 0) & (rows < sizes)
        allowed = asked.batch.mask[bounds[:-1] + np.where(inside, rows, 0)]
        wrong = np.flatnonzero(~inside | ~allowed)
        if len(wrong):
            at = int(wrong[0])
            legal = np.flatnonzero(asked.batch.mask[bounds[at] : bounds[at + 1]])
            raise IllegalDecision(
                self._policy.name,
                int(asked.times[at]),
                f"row {int(rows[at])} in {self._name(int(asked.lanes[at]))}",
                f"of {int(sizes[at])} rows these may be chosen: {_some(legal)}",
            )


def _some(rows: Ints) -> str:
    shown = ", ".join(str(row) for row in rows[:10])
    return f"{shown}, ..." if len(rows) > 10 else shown


def _finite(cost: Any) -> float:
    value = float(cost)
    if not math.isfinite(value):
        raise RunError(f"what the run cost is {value}, which nothing can be learnt from")
    return value


class _Played:
    """What a simulator is given: the policy, whose questions are put to `choose`."""

    def __init__(self, policy: Asking, choose: Choose) -> None:
        self.policy, self.choose = policy, choose
        self.name, self.problems = policy.name, policy.problems

    def begin(self, scenario: Any, streams: Streams) -> Any:
        return self.policy.decider(scenario, streams, self.choose)


def _start(greenlet: Any, policy: Asking, episode: Episode) -> Any:
    """An episode that has not begun. It returns its cost, and switches out with its questions.

    Nothing in here refers to the arena: a greenlet's frames are hidden from the garbage collector,
    which could not free a circle that goes through them.
    """
    choose = _chooser(greenlet.getcurrent)

    def play() -> float:
        simulate = registry.problem_type(episode.scenario).get("simulate")
        timeline = simulate(episode.scenario, _Played(policy, choose), seed=episode.seed)
        return policy.cost(episode.scenario, timeline)

    return greenlet.greenlet(play)


def _chooser(current: Any) -> Choose:
    def choose(question: Question) -> int:
        mask: Bools = question.batch.mask
        allowed = np.count_nonzero(mask)
        if question.batch.size != 1:
            raise RunError(f"one decision is one question, not {question.batch.size} at once")
        if allowed > 1:
            return int(current().parent.switch(question))
        if not allowed:
            raise RunError(f"a question at time {question.time} has no row that may be chosen")
        return int(mask.argmax())

    return choose
