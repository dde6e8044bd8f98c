"""Episodes of the neural rule without a simulator: schedules built in lock step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hocket.core.errors import UserError
from hocket.learn.asking import Asked
from hocket.learn.batch import Batch, Ints
from hocket.shop.model.jobshop import JobShop
from hocket.shop.neural.ahead import machines_ahead
from hocket.shop.neural.building import Building, Conflicts
from hocket.shop.neural.features import features
from hocket.shop.neural.instances import Work, instances, work_of
from hocket.shop.neural.situation import lanes_of, rivals_of


class ActiveSchedules:
    """An `Arena` whose questions are the conflicts of Giffler and Thompson's algorithm.

    Tables: ``rivals``, one row each; ``machines``, one row per rival and machine, see `ahead`;
    ``operations``, for teachers: each rival's job and how many of its operations come before.

    Where nobody competes nothing is asked. The cost is the makespan in ticks. Lanes with the same
    `Work` object share its arrays.
    """

    def __init__(self, works: Sequence[Work]) -> None:
        """One lane for each of `works`."""
        distinct = {id(work): work for work in works}
        numbers = {key: i for i, key in enumerate(distinct)}
        of = np.array([numbers[id(work)] for work in works])
        self.building = Building(instances(list(distinct.values())), of)
        self._appended: list[tuple[Ints, Ints]] = []
        self._asked: Asked | None = None

    @classmethod
    def of(cls, shops: Sequence[JobShop]) -> ActiveSchedules:
        """One lane for each of the shops; the same shop may come more than once."""
        works = {id(shop): work_of(shop) for shop in shops}
        return cls([works[id(shop)] for shop in shops])

    def asked(self) -> Asked | None:
        """See Arena.asked."""
        while self._asked is None and self.building.left.any():
            self._conflicts = self.building.conflicts()
            self._contested = self._conflicts.rivals.sum(1) > 1
            if not self._contested.any():
                self._append(self._conflicts.rivals.argmax(1))
                continue
            self._asked = self._question(self._conflicts.take(self._contested))
        return self._asked

    def answer(self, rows: Ints) -> None:
        """See Arena.answer. Raises UserError for answers that do not fit the questions."""
        asked = self.asked()
        if asked is None:
            raise UserError("nothing is asked: every schedule of this arena is complete")
        bounds = asked.batch.bounds
        if rows.shape != asked.lanes.shape or ((rows < 0) | (rows >= np.diff(bounds))).any():
            raise UserError("answer each question with one of its rows, counted from 0")
        self._asked = None
        jobs = self._conflicts.rivals.argmax(1)
        jobs[self._contested] = self._rivals[bounds[:-1] + rows]
        self._append(jobs)

    def costs(self) -> npt.NDArray[np.float64]:
        """See Arena.costs."""
        return self.building.span.copy()

    def _question(self, conflicts: Conflicts) -> Asked:
        lanes = lanes_of(self.building, conflicts)
        rivals = rivals_of(self.building, conflicts, lanes)
        self._rivals = rivals.job
        machines, ahead = machines_ahead(self.building, lanes, rivals)
        table = features(self.building, conflicts, lanes, rivals)
        step = rivals.place % self.building.instances.width
        starts = _starts(conflicts.rivals.sum(1))
        batch = Batch(
            tables={
                "rivals": table,
                "machines": ahead,
                "operations": np.stack([rivals.job, step], 1).astype(np.float32),
            },
            starts={"rivals": starts, "machines": _starts(machines), "operations": starts},
            links={},
            actions="rivals",
            mask=np.ones(len(table), bool),
        )
        times = conflicts.first.astype(np.int64)
        return Asked(conflicts.lanes, batch, times, np.zeros(len(times)))

    def _append(self, jobs: Ints) -> None:
        self.building.append(self._conflicts.lanes, jobs)
        self._appended.append((self._conflicts.lanes, jobs))

    def sequence(self, lane: int) -> Ints:
        """The jobs of a lane in the order in which their operations were scheduled."""
        told = [jobs[lanes == lane] for lanes, jobs in self._appended]
        return np.concatenate(told) if told else np.zeros(0, np.int64)


def _starts(counts: Ints) -> Ints:
    return np.concatenate(([0], counts.cumsum()))
