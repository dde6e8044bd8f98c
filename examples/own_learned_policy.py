"""A learned policy of one's own: features, a network, a trainer; trained here within seconds.

It places the ready tasks of `soc.yaml` so that time and energy are both small: what it learns from
is the energy-delay product, for which no heuristic is made. Needs the extra ``learn``.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import msgspec

import hocket
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.learn.asking import Choose, Learned, Question
from hocket.learn.batch import question
from hocket.learn.network import Network, Scores, Tensors
from hocket.learn.networks.mlp import MLP
from hocket.learn.trainers.reinforce import Reinforce
from hocket.taskgraph.metrics import metrics
from hocket.taskgraph.model.jobs import Stream
from hocket.taskgraph.model.scenario import TaskGraphs
from hocket.taskgraph.roles import Assign, Scheduler, Task, View

CHIP = Path(__file__).parent / "soc.yaml"
RIVALS: tuple[str, ...] = ("taskgraph/etf", "taskgraph/met")


class Frugal(Learned, frozen=True):
    """Each ready task in turn goes where a network says, by time, energy and load."""

    name: ClassVar[str] = "taskgraph/frugal"
    problems: ClassVar[tuple[str, ...]] = ("taskgraph/dag",)
    width: int = 16

    def decider(self, scenario: TaskGraphs, streams: Streams, choose: Choose) -> Scheduler:
        """Whoever answers, the questions are the same."""
        return Decider(scenario, choose)

    def network(self) -> Network:
        """One that has not learnt anything."""
        return Scorer(self.width)

    def trainer(self) -> Reinforce:
        """Play each of 4 episodes 8 times; what cost less than the other plays is reinforced."""
        return Reinforce(episodes=4, copies=8, learning_rate=0.1, entropy=0.0)

    def cost(self, scenario: TaskGraphs, timeline: Timeline) -> float:
        """The energy-delay product of a finished run."""
        return metrics(scenario, timeline)["edp"]


class Decider:
    """Which of the processors that can run it, for one ready task after the other."""

    def __init__(self, scenario: TaskGraphs, choose: Choose) -> None:
        self.choose = choose
        self.runs = {kind.name: [task.runs for task in kind.tasks] for kind in scenario.types}
        self.functions = [processor.functions for processor in scenario.processors]

    def schedule(self, view: View) -> Iterable[Assign]:
        """See hocket.taskgraph.roles.Scheduler."""
        given = [len(core.queue) + len(core.running) for core in view.cores]
        for task in view.ready:
            rows = [self.features(view, task, p, given[p]) for p in task.able]
            asked = Question(question({"processors": rows}, "processors"), view.now)
            processor = task.able[self.choose(asked)]
            given[processor] += 1
            yield Assign(task, processor, None, f"frugal: one of {len(rows)}")

    def features(self, view: View, task: Task, p: int, given: int) -> list[float]:
        """Time, energy, wait for the inputs, and tasks per slot; all of them around 1."""
        function = self.functions[p][self.runs[task.job.graph.name][task.index]]
        time, wait = function.duration / 100, (view.inputs_at(task, p) - view.now) / 100
        return [time, time * function.power, wait, given / view.cores[p].capacity]


class Scorer(Network):
    """The score of each row, from that row alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = MLP((4, width, 1), "tanh")

    def forward(self, batch: Tensors) -> Scores:
        """See hocket.learn.network.Network."""
        return Scores(self.mlp(batch.tables["processors"]).squeeze(1))


def chip() -> TaskGraphs:
    """The chip with thirty jobs that all get in: nothing is gained by keeping some from ending."""
    scenario = hocket.load(CHIP)
    assert isinstance(scenario, TaskGraphs)
    return msgspec.structs.replace(
        scenario, arrivals=Stream(gap=250, jobs=30), horizon=None, warm_up=0
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        trained = hocket.train(Frugal(), chip(), out=Path(folder) / "w.safetensors", updates=8)
        compared = hocket.compare(chip(), [*RIVALS, trained.policy], seeds=20)
    print(f"{trained.policy.name}: {trained.episodes} episodes")
    for row in compared.differences:
        if row.metric == "edp" and row.high is not None:
            better = "less" if row.high < 0 else "not less"
            print(f"{row.policy.partition('(')[0]}: energy-delay product {better} than ETF's")
