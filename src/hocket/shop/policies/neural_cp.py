"""The agent that learnt to act on a constraint model of the job shop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec
import numpy as np

from hocket.core.errors import NotApplicable
from hocket.core.streams import Streams
from hocket.learn.asking import Arena, Choose, Episode, Learned
from hocket.shop.dispatch import Dispatcher
from hocket.shop.policies.plans import Follower
from hocket.shop.policies.rules import SHOPS

if TYPE_CHECKING:
    from hocket.learn.batch import Batch, Floats
    from hocket.learn.network import Network
    from hocket.learn.trainer import Trainer


class NeuralCP(Learned, frozen=True):
    """An end-to-end learned agent on a constraint model: plan a schedule, and follow it.

    A network of 2,442 weights scores the jobs whose next operation could start now, and a No-Op
    that lets all wait. With one of `samples` the highest scores go first; with more, as many
    schedules are drawn at softmax temperatures from 0.5 up to 2, and the shortest is taken (the
    paper draws 32). It plans with nominal durations, for the makespan; when reality is late the
    order stays.
    """

    name: ClassVar[str] = "shop/neural-cp"
    problems: ClassVar[tuple[str, ...]] = SHOPS
    source: ClassVar[str] = "Tassel, Gebser, Schekotihin, ICAPS 33 (2023)"
    free: ClassVar[tuple[str, ...]] = ("weights", "samples")
    samples: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1

    def __post_init__(self) -> None:
        """Refuse to draw no schedule."""
        if self.samples < 1:
            raise ValueError("samples must be at least 1")

    def refuses(self, scenario: Any) -> str:
        """See Policy.refuses."""
        from hocket.shop.neural_cp.scenario import refusal

        return refusal(scenario)

    def begin(self, scenario: Any, streams: Streams) -> Dispatcher:
        """See Policy.begin. Raises NotApplicable for a shop that it refuses.

        The same plan as that of `decider`, but all samples are drawn side by side.
        """
        from hocket.learn.weights import load
        from hocket.shop.neural_cp import play
        from hocket.shop.neural_cp.forward import checked
        from hocket.shop.neural_cp.scenario import compiled, lines

        self._require(scenario)
        weights, shop = checked(load(self)), compiled(scenario)
        if self.samples == 1:
            found = play.greedy(shop, weights)
        else:
            found = play.sample(shop, weights, self.samples, streams["policy.neural-cp"])
        return Follower(lines(shop, found.best()))

    def decider(self, scenario: Any, streams: Streams, choose: Choose) -> Dispatcher:
        """See Asking.decider. The whole plan is asked for before the first dispatch."""
        from hocket.shop.neural_cp.play import ask
        from hocket.shop.neural_cp.scenario import compiled, lines

        self._require(scenario)
        shop = compiled(scenario)
        return Follower(lines(shop, ask(shop, choose)))

    def arena(self, episodes: Sequence[Episode]) -> Arena:
        """See Asking.arena. Episodes are played in the agent's own environment, side by side."""
        from hocket.shop.neural_cp.arena import Worlds

        for episode in episodes:
            self._require(episode.scenario)
        return Worlds(episodes)

    def network(self) -> Network:
        """See Learned.network."""
        from hocket.shop.neural_cp.network import NeuralCPNetwork

        return NeuralCPNetwork()

    def scorer(self, weights: dict[str, Floats]) -> Callable[[Batch], Floats]:
        """See Learned.scorer. Needs no PyTorch."""
        from hocket.shop.neural_cp.forward import checked, logits
        from hocket.shop.neural_cp.questions import to_observations

        known = checked(weights)

        def score(batch: Batch) -> Floats:
            return np.concatenate([logits(known, seen).ravel() for seen in to_observations(batch)])

        return score

    def trainer(self) -> Trainer:
        """See Learned.trainer."""
        from hocket.shop.neural_cp.training import Completion

        return Completion()

    def _require(self, scenario: Any) -> None:
        if why := self.refuses(scenario):
            raise NotApplicable(f"{self.name} cannot schedule this: {why}")


POLICIES = (NeuralCP,)
