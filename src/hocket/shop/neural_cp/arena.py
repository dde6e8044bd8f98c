"""Episodes of the agent without a simulator: its own environment, many lanes at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hocket.core.errors import UserError
from hocket.learn.asking import Asked, Episode
from hocket.learn.batch import Ints, join
from hocket.learn.rollout import Doubles
from hocket.shop.neural_cp.play import Drawing
from hocket.shop.neural_cp.questions import to_batch
from hocket.shop.neural_cp.scenario import compiled


class Worlds:
    """An `Arena` in which episodes on the same scenario are lanes of one world.

    Where one action alone is left to draw, it is carried out and nothing is asked. The cost is the
    makespan in ticks of the schedule with nominal durations.
    """

    def __init__(self, episodes: Sequence[Episode]) -> None:
        groups: dict[int, list[int]] = {}
        for number, episode in enumerate(episodes):
            groups.setdefault(id(episode.scenario), []).append(number)
        self._numbers = [np.array(numbers) for numbers in groups.values()]
        self._drawings = [
            Drawing(compiled(episodes[numbers[0]].scenario), len(numbers))
            for numbers in groups.values()
        ]
        self._count = len(episodes)
        self._asked: Asked | None = None
        self._advance()

    def asked(self) -> Asked | None:
        """See Arena.asked."""
        return self._asked

    def answer(self, rows: Ints) -> None:
        """See Arena.answer. Raises UserError for answers that do not fit the questions."""
        if self._asked is None:
            raise UserError("nothing is asked: every schedule of this arena is complete")
        bounds, rows = self._asked.batch.bounds, np.asarray(rows)
        if rows.shape != self._asked.lanes.shape or not (
            ((rows >= 0) & (rows < np.diff(bounds))).all()
            and self._asked.batch.mask[bounds[:-1] + rows].all()
        ):
            raise UserError("answer each question with one of the rows that its mask allows")
        begin = 0
        for drawing in self._drawings:
            waiting = np.flatnonzero(drawing.left.any(axis=1))
            actions = np.full(len(drawing.left), -1)
            actions[waiting] = rows[begin : begin + len(waiting)]
            begin += len(waiting)
            drawing.draw(actions)
        self._advance()

    def costs(self) -> Doubles:
        """See Arena.costs. NaN for the episodes that are not over."""
        costs = np.full(self._count, np.nan)
        for numbers, drawing in zip(self._numbers, self._drawings, strict=True):
            over = drawing.world.finished
            costs[numbers[over]] = drawing.world.makespans()[over]
        return costs

    def _advance(self) -> None:
        """Draw what is the only choice, and ask for the rest."""
        lanes, batches, times = [], [], []
        for numbers, drawing in zip(self._numbers, self._drawings, strict=True):
            while (alone := drawing.left.sum(axis=1) == 1).any():
                drawing.draw(np.where(alone, drawing.left.argmax(axis=1), -1))
            waiting = np.flatnonzero(drawing.left.any(axis=1))
            if len(waiting):
                lanes.append(numbers[waiting])
                batches.append(to_batch(drawing.seen.lanes(waiting), drawing.left[waiting]))
                times.append(drawing.world.now[waiting])
        if not lanes:
            self._asked = None
            return
        costs = np.zeros(sum(len(part) for part in lanes))
        self._asked = Asked(np.concatenate(lanes), join(batches), np.concatenate(times), costs)
