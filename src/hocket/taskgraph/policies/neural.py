"""Neural list scheduling: a trained network picks task and processor when a processor has room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from hocket.core.streams import Streams
from hocket.learn.asking import Choose, Learned, Question, best
from hocket.learn.batch import Batch, Floats, question
from hocket.taskgraph.bounds import most_tasks
from hocket.taskgraph.meter import Meter, par, total
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.neural.features import Known, Situation
from hocket.taskgraph.neural.forward import scorer
from hocket.taskgraph.roles import Assign, Scheduler, View

if TYPE_CHECKING:
    from hocket.core.timeline import Timeline
    from hocket.learn.network import Network
    from hocket.learn.trainer import Trainer


class Neural(Learned, frozen=True):
    """Neural list scheduling: the best-scored ready task and free processor, or none for now.

    List schedulers such as ETF give every task to a processor as soon as it is ready. This policy
    decides only when a processor has room, among the ready tasks of all jobs, and may leave it idle
    for a task that is yet to come; by then it has seen how long things really took. A network with
    `width` neurons in each layer scores each pair (`hocket.taskgraph.neural.features`).

    The weights that come with hocket know streams of ten-task graphs on three processors. On what
    is unlike them they can be far worse than any heuristic, on a recorded workflow by a factor of
    75: train on what is to be scheduled, and compare with ETF.

    What a run costs is the time that jobs spend in the system beyond what ETF needs for as many
    jobs, so below 0 is better than ETF. Those that a full system turns away spend none, which is
    why completed jobs must be paid for.

    The weights that come with hocket were trained on streams of the synthetic profile, with one to
    ten graphs, mean gaps of 25 to 100 us, up to five jobs at once and noise of up to 0.5. The
    commands are in ``hocket/taskgraph/weights/README.md``; the shortest that gets most of the way::

        hocket train taskgraph/neural --generate "taskgraph/top(profiles=5, noise=0.2)"
            --updates 60 --out neural.safetensors
    """

    name: ClassVar[str] = "taskgraph/neural"
    problems: ClassVar[tuple[str, ...]] = ("taskgraph/dag",)

    width: int = 48

    def decider(self, scenario: TaskGraphs, streams: Streams, choose: Choose) -> Scheduler:
        """See Asking.decider; the table of pairs is described by `FEATURES`."""
        return _Neural(scenario, choose, Meter(par(scenario)))

    def begin(self, scenario: TaskGraphs, streams: Streams) -> Scheduler:
        """See Learned.begin. Nobody asks what the run costs, so that nothing is spent on it."""
        from hocket.learn.weights import load

        score = self.scorer(load(self))
        return _Neural(scenario, lambda asked: best(score(asked.batch), asked.batch), None)

    def cost(self, scenario: TaskGraphs, timeline: Timeline) -> float:
        """See Asking.cost, and `hocket.taskgraph.meter`; in ticks."""
        return total(scenario, timeline, par(scenario))

    def most_rows(self, scenario: TaskGraphs) -> dict[str, int]:
        """By table, how many rows a question can have at most. Raises UserError without a bound."""
        return {"pairs": most_tasks(scenario) * len(scenario.processors) + 1}

    def network(self) -> Network:
        """See Learned.network."""
        from hocket.taskgraph.neural.network import PairScorer

        return PairScorer(self.width)

    def trainer(self) -> Trainer:
        """See Learned.trainer. What is decided matters for some 50 decisions, one or two jobs."""
        from hocket.learn.trainers.ppo import PPO

        return PPO(
            episodes=24,
            epochs=3,
            minibatch=4096,
            discount=0.98,
            trace=0.97,
            entropy=0.003,
            value_weight=0.25,
            learning_rate=1.5e-3,
            unit=20.0,
        )

    def scorer(self, weights: dict[str, Floats]) -> Callable[[Batch], Any]:
        """See Learned.scorer."""
        return scorer(weights, self.width)


class _Neural:
    def __init__(self, scenario: TaskGraphs, choose: Choose, meter: Meter | None) -> None:
        self.known, self.choose, self.meter = Known(scenario), choose, meter

    def schedule(self, view: View) -> Sequence[Assign]:
        cost = 0.0 if self.meter is None else self.meter.read(view)
        situation = Situation(self.known, view)
        answer: list[Assign] = []
        while rows := situation.rows():
            if len(rows) == 1 and situation.idle:
                row = 0
            else:
                table = situation.table(rows)
                if situation.idle:
                    table = table[:-1]
                row = self.choose(Question(question({"pairs": table}, "pairs"), view.now, cost))
            if row == len(rows):
                break
            task, processor = rows[row]
            situation.assign(task, processor)
            reason = f"neural: of {len(rows)} pairs of a ready task and a processor with room"
            answer.append(Assign(task, processor, None, reason))
        return answer


POLICIES = (Neural,)
