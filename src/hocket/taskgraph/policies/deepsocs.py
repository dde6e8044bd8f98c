"""DeepSoCS: a graph network orders the ready tasks, and each goes where it finishes first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from hocket.core.streams import Streams
from hocket.learn.asking import Choose, Learned, Question, best
from hocket.learn.batch import Batch, Floats, question
from hocket.taskgraph.bounds import most_jobs, most_tasks
from hocket.taskgraph.deepsocs.features import Graphs, means
from hocket.taskgraph.deepsocs.forward import scorer
from hocket.taskgraph.deepsocs.placement import expected, place
from hocket.taskgraph.meter import Meter, par, total
from hocket.taskgraph.model.graph import graphs
from hocket.taskgraph.model.jobs import Stream
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.policies.runtime import placed_in
from hocket.taskgraph.roles import Assign, Scheduler, Task, View

if TYPE_CHECKING:
    from hocket.core.timeline import Timeline
    from hocket.learn.network import Network
    from hocket.learn.trainer import Trainer

DEPTH = 2
SLOWEST = 1000.0
"""Mean gap between arrivals at the start of the curriculum, in ticks."""


class DeepSoCS(Learned, frozen=True):
    """DeepSoCS: a graph network orders the ready tasks; each goes where it finishes first.

    The order is sampled task by task, without replacement, in training, and greedy in use. Finishes
    are by mean durations, in the gaps of what processors are expected to do, and count the time
    that inputs need. What training makes small is the time that jobs spend in the system, as in
    Decima, beyond what ETF needs for as many; what the paper itself took is not known. `trainer` is
    REINFORCE with the differential costs and the baseline per time of the released code.

    The weights that come with hocket are from (see also ``hocket/taskgraph/weights/README.md``)::

        hocket train taskgraph/deepsocs --generate "taskgraph/top(profiles=5)"
            --generate "taskgraph/top(profiles=5, noise=0.3)" --updates 300
            --validate "taskgraph/top(profiles=5)" --validation-episodes 32
            --out deepsocs.safetensors

    With `compat` it does what the released code (gym_ds3) does: the network is asked for an order,
    but tasks are placed as they became ready, the first one last, for it changes places with the
    artificial entry of their graph; finishes take inputs to be there; tasks wait for the one before
    them on their processor; and the network passes messages once, not twice. So it needs no weights
    to decide. That code's loss takes the probabilities of all tasks instead of those chosen, and
    one of its rewards is always 0; neither is imitated.
    """

    name: ClassVar[str] = "taskgraph/deepsocs"
    problems: ClassVar[tuple[str, ...]] = ("taskgraph/dag",)
    source: ClassVar[str] = (
        "T. T. Sung, J. Ha, J. Kim, A. Yahja, C.-B. Sohn, B. Ryu, DeepSoCS: A neural scheduler for "
        "heterogeneous system-on-chip (SoC) resource scheduling, Electronics 9 (2020) 936"
    )

    compat: bool = False

    def decider(self, scenario: TaskGraphs, streams: Streams, choose: Choose) -> Scheduler:
        """See Asking.decider: each question asks which of the ready tasks is the next."""
        return _DeepSoCS(scenario, choose, self.compat, Meter(par(scenario)))

    def begin(self, scenario: TaskGraphs, streams: Streams) -> Scheduler:
        """See Learned.begin."""
        if self.compat:
            return _DeepSoCS(scenario, None, True, None)
        from hocket.learn.weights import load

        score = self.scorer(load(self))
        return _DeepSoCS(scenario, lambda asked: best(score(asked.batch), asked.batch), False, None)

    def cost(self, scenario: TaskGraphs, timeline: Timeline) -> float:
        """See Asking.cost, and `hocket.taskgraph.meter`; in ticks."""
        return total(scenario, timeline, par(scenario))

    def curriculum(self, scenario: TaskGraphs, progress: float) -> TaskGraphs:
        """Streams start with a gap of 1000, which shrinks to the scenario's own in a straight line.

        The last fifth of the training is on the scenario as it is.
        """
        arrivals = scenario.arrivals
        if not isinstance(arrivals, Stream) or arrivals.gap >= SLOWEST:
            return scenario
        left = max(0.0, 1 - progress / 0.8)
        gap = arrivals.gap + (SLOWEST - arrivals.gap) * left
        return msgspec.structs.replace(
            scenario, arrivals=msgspec.structs.replace(arrivals, gap=gap)
        )

    def most_rows(self, scenario: TaskGraphs) -> dict[str, int]:
        """By table, how many rows a question can have at most. Raises UserError without a bound."""
        return {"tasks": most_tasks(scenario), "jobs": most_jobs(scenario)}

    def network(self) -> Network:
        """See Learned.network."""
        from hocket.taskgraph.deepsocs.network import TaskScorer

        return TaskScorer(1 if self.compat else DEPTH)

    def scorer(self, weights: dict[str, Floats]) -> Callable[[Batch], Any]:
        """See Learned.scorer."""
        return scorer(weights, 1 if self.compat else DEPTH)

    def trainer(self) -> Trainer:
        """REINFORCE with differential costs and a baseline per time, as in gym_ds3.

        Its entropy bonus (1, falling by 0.001 per update) and learning rate (3e-4) are for 10,000
        updates of two plays; these are for a few hundred of sixteen.
        """
        from hocket.learn.trainers.reinforce import Reinforce

        return Reinforce(
            episodes=2,
            copies=8,
            average="time",
            discount=0.98,
            baseline="time",
            unit=20.0,
            entropy=0.05,
            entropy_end=0.0001,
            entropy_updates=200,
            learning_rate=3e-3,
        )


class _DeepSoCS:
    def __init__(
        self, scenario: TaskGraphs, choose: Choose | None, compat: bool, meter: Meter | None
    ) -> None:
        self.choose, self.compat, self.meter = choose, compat, meter
        self.means = means(graphs(scenario))

    def schedule(self, view: View) -> Sequence[Assign]:
        cost = 0.0 if self.meter is None else self.meter.read(view)
        order = list(view.ready)
        if self.choose is not None and len(order) > 1:
            order = self._order(view, self.choose, cost)
        if self.compat:
            rotated = (*view.ready[1:], view.ready[0])
            return placed_in(rotated, view, lambda task: "deepsocs: as it came")
        table, answer = expected(view), []
        for number, task in enumerate(order, 1):
            spot = place(table, view, task)
            name = view.platform.names[spot.processor]
            reason = (
                f"deepsocs: number {number} of {len(order)}, finishes at {spot.finish} on {name}"
            )
            answer.append(Assign(task, spot.processor, None, reason))
        return answer

    def _order(self, view: View, choose: Choose, cost: float) -> list[Task]:
        """The ready tasks in the order in which `choose` picks them."""
        seen = Graphs(view, self.means, self.compat)
        tables, links = seen.tables(), seen.links()
        left = {seen.row[task.id]: task for task in view.ready}
        order = []
        while len(left) > 1:
            mask = [row in left for row in range(len(seen.tasks))]
            row = choose(Question(question(tables, "tasks", mask, links), view.now, cost))
            order.append(left.pop(row))
        return [*order, *left.values()]


POLICIES = (DeepSoCS,)
