"""Small problems whose best answers are known, to be learnt by every trainer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, permutations
from typing import Any, ClassVar

import msgspec
import numpy as np
import torch
from torch import nn

from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.learn.asking import Arena, Asked, Choose, Episode, Learned, Question
from hocket.learn.batch import join, question
from hocket.learn.collect import answers, collect
from hocket.learn.network import Network, Scores, Tensors
from hocket.learn.networks.mlp import MLP
from hocket.learn.networks.segments import segment_mean
from hocket.learn.rollout import Answers, Rollout, Step
from hocket.learn.trainer import Trainer
from hocket.shop.dispatch import ShopView, Start
from hocket.shop.metrics.single import metrics
from hocket.shop.model.single import SingleJob, SingleMachine


class Bandit(msgspec.Struct, frozen=True):
    """One decision: arm i costs ``costs[i]``."""

    costs: tuple[float, ...]


class Graph(msgspec.Struct, frozen=True):
    """Ways from node 0 to the last: edges (from, to, length), which also is the time it takes."""

    edges: tuple[tuple[int, int, int], ...]

    @property
    def nodes(self) -> int:
        return 1 + max(to for _, to, _ in self.edges)

    def leaving(self, node: int) -> list[int]:
        return [i for i, (start, _, _) in enumerate(self.edges) if start == node]

    def ways(self) -> list[list[int]]:
        """Every way as rows: which of the leaving edges is taken at each node."""
        found, open_ways = [], [([], 0)]
        while open_ways:
            way, node = open_ways.pop()
            if node == self.nodes - 1:
                found.append(way)
            for row, edge in enumerate(self.leaving(node)):
                open_ways.append(([*way, row], self.edges[edge][1]))
        return found


LAYERED = Graph(
    (
        (0, 2, 1), (0, 3, 3), (0, 1, 5),
        (1, 4, 1), (1, 5, 6), (2, 4, 7), (2, 5, 6), (3, 4, 4), (3, 5, 3),
        (4, 6, 2), (5, 6, 1),
    )
)  # fmt: skip
"""The shortest way is 0-3-5-6 and costs 7; greed costs 8, the first edge of each node 10."""


class Games(Learned, frozen=True):
    """Plays bandits and graphs, in lockstep and without a simulator."""

    name: ClassVar[str] = "toy/games"
    problems: ClassVar[tuple[str, ...]] = ("toy/games",)
    nodes: int = 7
    edges: int = 11
    has_values: bool = False
    paid_at_end: bool = False

    def network(self) -> Network:
        return Tabular(self.edges, self.nodes, self.has_values)

    def arena(self, episodes: Sequence[Episode]) -> Arena:
        return Lockstep(self, episodes)


class Lockstep:
    """An arena of games: each is a scenario, a node and what was paid so far."""

    def __init__(self, policy: Games, episodes: Sequence[Episode]) -> None:
        self.policy = policy
        self.games = [episode.scenario for episode in episodes]
        self.at = [0] * len(episodes)
        self.paid = [0.0] * len(episodes)
        self.over = [False] * len(episodes)

    def asked(self) -> Asked | None:
        lanes = [i for i, over in enumerate(self.over) if not over]
        if not lanes:
            return None
        shown = [0.0 if self.policy.paid_at_end else self.paid[i] for i in lanes]
        batches = [self._question(self.games[i], self.at[i]) for i in lanes]
        times = [int(self.paid[i]) for i in lanes]
        return Asked(np.array(lanes), join(batches), np.array(times), np.array(shown))

    def _question(self, game: Any, node: int) -> Any:
        rows = range(len(game.costs)) if isinstance(game, Bandit) else game.leaving(node)
        where = np.eye(self.policy.nodes)[[node]]
        return question(
            {"edges": np.eye(self.policy.edges)[list(rows)], "node": where}, actions="edges"
        )

    def answer(self, rows: np.ndarray[Any, Any]) -> None:
        lanes = [i for i, over in enumerate(self.over) if not over]
        for lane, row in zip(lanes, rows.tolist(), strict=True):
            game = self.games[lane]
            if isinstance(game, Bandit):
                self.paid[lane] += game.costs[row]
                self.over[lane] = True
            else:
                _, self.at[lane], length = game.edges[game.leaving(self.at[lane])[row]]
                self.paid[lane] += length
                self.over[lane] = self.at[lane] == game.nodes - 1

    def costs(self) -> np.ndarray[Any, Any]:
        return np.array(self.paid)


class Tabular(Network):
    """A logit for each edge, and a value for each node."""

    def __init__(self, edges: int, nodes: int, has_values: bool) -> None:
        super().__init__()
        self.logits = nn.Linear(edges, 1, bias=False)
        nn.init.zeros_(self.logits.weight)
        self.values = nn.Linear(nodes, 1, bias=False) if has_values else None

    def forward(self, batch: Tensors) -> Scores:
        values = None if self.values is None else self.values(batch.tables["node"]).squeeze(1)
        return Scores(self.logits(batch.tables["edges"]).squeeze(1), values)


class Sequence1(Learned, frozen=True):
    """Sequences jobs on one machine in hocket's own simulator; WSPT is best without releases."""

    name: ClassVar[str] = "toy/sequence"
    problems: ClassVar[tuple[str, ...]] = ("shop/single-machine",)
    has_values: bool = False

    def decider(self, scenario: Any, streams: Streams, choose: Choose) -> Any:
        return _Sequencer(choose)

    def cost(self, scenario: Any, timeline: Timeline) -> float:
        return metrics(scenario, timeline)["weighted_flow_time"]

    def network(self) -> Network:
        return Scorer(self.has_values)


class _Sequencer:
    def __init__(self, choose: Choose) -> None:
        self.choose = choose

    def dispatch(self, view: ShopView) -> Start:
        op = np.array(view.candidates)
        rows = np.stack([view.duration[op] / 10, view.weight[op] / 10], axis=1)
        running = view.finished >= 0
        paid = int((view.weight * np.where(running, view.finished, view.now)).sum())
        chosen = self.choose(Question(question({"jobs": rows}, "jobs"), view.now, float(paid)))
        return Start(view.candidates[chosen])


class Scorer(Network):
    """A small network that scores each job by itself, and values the mean job."""

    def __init__(self, has_values: bool) -> None:
        super().__init__()
        self.score = MLP((2, 16, 1), "tanh")
        self.value = MLP((2, 16, 1), "tanh") if has_values else None

    def forward(self, batch: Tensors) -> Scores:
        rows, lanes = batch.tables["jobs"], batch.lanes["jobs"]
        values = None
        if self.value is not None:
            values = self.value(segment_mean(rows, lanes, batch.size)).squeeze(1)
        return Scores(self.score(rows).squeeze(1), values)


def jobs(seed: int, count: int = 5) -> SingleMachine:
    """Jobs of 1 to 9 ticks and weights of 1 to 9."""
    rng = np.random.default_rng(seed)
    made = tuple(
        SingleJob(name=f"j{i}", duration=int(d), weight=int(w))
        for i, (d, w) in enumerate(rng.integers(1, 10, (count, 2)))
    )
    return SingleMachine(jobs=made, objective="weighted_flow_time")


def least(scenario: SingleMachine) -> float:
    """The least weighted flow time, by trying every order."""

    def cost(order: tuple[SingleJob, ...]) -> int:
        return int(np.dot(np.cumsum([j.duration for j in order]), [j.weight for j in order]))

    return min(cost(order) for order in permutations(scenario.jobs))


def train(
    policy: Learned, settings: Trainer, episodes: Sequence[Episode], updates: int, seed: int = 0
) -> tuple[Any, list[dict[str, float]]]:
    """A learner after so many updates on these episodes in turn, and what each update told."""
    torch.manual_seed(seed)
    network = policy.network()
    learner = settings.start(policy, network)
    return learner, more(policy, learner, episodes, updates, np.random.default_rng(seed))


def more(
    policy: Learned,
    learner: Any,
    episodes: Sequence[Episode],
    updates: int,
    rng: np.random.Generator,
) -> list[dict[str, float]]:
    """Further updates."""
    turn = cycle(episodes)

    def draw(count: int) -> list[Episode]:
        return [next(turn) for _ in range(count)]

    play = Play(policy, learner.network, rng)
    return [learner.update(draw, play, rng) for _ in range(updates)]


class Play:
    """Collects in this process; see `hocket.learn.trainer.Collect`."""

    def __init__(self, policy: Learned, network: Network, rng: np.random.Generator) -> None:
        self.policy, self.network, self.rng = policy, network, rng

    def __call__(self, episodes: Sequence[Episode]) -> Rollout:
        return collect(self.policy, self.network, episodes, self.rng)

    def answers(self, episodes: Sequence[Episode]) -> Answers:
        return answers(self.policy, self.network, episodes, self.rng)


def untrained(policy: Learned, seed: int = 0) -> Network:
    """The network with which `train` begins."""
    torch.manual_seed(seed)
    return policy.network()


def played(policy: Learned, episodes: Sequence[Episode], rows: Sequence[Sequence[int]]) -> Rollout:
    """A rollout with known answers, one sequence for each episode; no probabilities or values."""
    arena = policy.arena(episodes)
    turn = [iter(one) for one in rows]
    steps = []
    while (asked := arena.asked()) is not None:
        given = np.array([next(turn[lane]) for lane in asked.lanes.tolist()])
        nothing = np.zeros(len(given), np.float32)
        steps.append(
            Step(asked.lanes, asked.batch, given, nothing, nothing[:0], asked.times, asked.costs)
        )
        arena.answer(given)
    return Rollout(steps, arena.costs())


def expected_gradient(
    logits: torch.Tensor, graph: Graph
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The gradient of the expected length in the edges' logits, and the chance of every way."""
    weights = logits.detach().double().requires_grad_()
    chances, lengths = [], []
    for way in graph.ways():
        node, chance, length = 0, torch.ones((), dtype=torch.double), 0
        for row in way:
            leaving = graph.leaving(node)
            chance = chance * torch.softmax(weights[leaving], 0)[row]
            _, node, step = graph.edges[leaving[row]]
            length += step
        chances.append(chance)
        lengths.append(length)
    every = torch.stack(chances)
    expected = (every * torch.tensor(lengths, dtype=torch.double)).sum()
    (gradient,) = torch.autograd.grad(expected, weights)
    return gradient.numpy(), every.detach().numpy()
