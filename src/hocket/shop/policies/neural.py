"""The neural dispatching rule: plans active schedules with a small trained network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from hocket.core.errors import NotApplicable
from hocket.core.streams import Streams
from hocket.learn.asking import Arena, Choose, Episode, Learned
from hocket.learn.batch import Batch, Floats
from hocket.shop.dispatch import Dispatcher
from hocket.shop.model.jobshop import JobShop
from hocket.shop.policies.rules import SHOPS

if TYPE_CHECKING:
    from hocket.learn.network import Network
    from hocket.learn.trainer import Trainer


class Neural(Learned, frozen=True):
    """Neural dispatching rule: active schedules, each contested choice by a trained network.

    Plans as `shop/gt` does: repeatedly takes the machine on which an operation could complete
    first, and among the operations that could start on it before that completion a pointer network
    chooses. It was trained on random shops for the makespan, first to imitate tabu search, then by
    self-labelling. With `samples` above 1 it plans so many times, once greedily and else at random
    by the network's probabilities (sharper below a `temperature` of 1, flatter above), and follows
    the best plan. What arrives later is planned when it arrives; what has started stays.
    """

    name: ClassVar[str] = "shop/neural"
    problems: ClassVar[tuple[str, ...]] = SHOPS
    source: ClassVar[str] = (
        "after Corsini, Porrello, Calderara, Dell'Amico, "
        "Self-labeling the job shop scheduling problem, NeurIPS 2024"
    )
    free: ClassVar[tuple[str, ...]] = ("weights", "samples", "temperature")
    samples: int = 1
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be sampled."""
        if self.samples < 1 or not self.temperature > 0:
            raise ValueError("samples must be at least 1, and temperature above 0")

    def refuses(self, scenario: Any) -> str:
        """See Policy.refuses."""
        if not isinstance(scenario, JobShop):
            return ""
        if scenario.blocking != "no" or scenario.no_wait:
            return "it plans for shops with buffers, where jobs may wait"
        if scenario.setups:
            return "it knows no setup times"
        if any(len(o.choices()) > 1 for job in scenario.jobs for o in job.operations):
            return "its operations have one machine each, none to choose"
        return ""

    def network(self) -> Network:
        """See Learned.network."""
        from hocket.shop.neural.network import Pointer

        return Pointer()

    def scorer(self, weights: dict[str, Floats]) -> Callable[[Batch], Floats]:
        """See Learned.scorer. In NumPy."""
        from hocket.shop.neural.forward import Forward

        return Forward(weights)

    def trainer(self) -> Trainer:
        """See Learned.trainer."""
        from hocket.learn.trainers.selflabel import SelfLabel

        return SelfLabel(
            learning_rate=1e-3,
            schedule="linear",
            total_updates=200,
            episodes=32,
            samples=32,
            minibatch=128,
        )

    def teacher(self, episode: Episode) -> Choose:
        """See `hocket.learn.trainers.imitate.Taught`: tabu search, for a shop without surprises."""
        from hocket.shop.neural.teacher import teacher

        return teacher(self._shop(episode.scenario), episode.seed)

    def arena(self, episodes: Sequence[Episode]) -> Arena:
        """See Asking.arena.

        Where all is known in advance the plan is the schedule, so that the simulator is not needed.
        """
        from hocket.shop.neural.arena import ActiveSchedules

        shops = {id(scenario): self._shop(scenario) for scenario, _ in episodes}
        if not all(shop.classic and shop.certain for shop in shops.values()):
            return super().arena(episodes)
        return ActiveSchedules.of([shops[id(scenario)] for scenario, _ in episodes])

    def decider(self, scenario: Any, streams: Streams, choose: Choose) -> Dispatcher:
        """See Asking.decider. Raises NotApplicable for a shop that it refuses."""
        from hocket.shop.neural.plan import Replanner, asking

        return Replanner(self._shop(scenario), asking(choose))

    def begin(self, scenario: Any, streams: Streams) -> Dispatcher:
        """See Policy.begin. Raises NotApplicable for a shop that it refuses."""
        from hocket.learn.weights import load
        from hocket.shop.neural.plan import Replanner, sampling

        shop = self._shop(scenario)
        score = self.scorer(load(self))
        rng = streams["policy.neural"]
        return Replanner(shop, sampling(score, self.samples, self.temperature, rng))

    def _shop(self, scenario: Any) -> JobShop:
        if why := self.refuses(scenario):
            raise NotApplicable(f"{self.name} cannot schedule this: {why}")
        shop: JobShop = scenario if isinstance(scenario, JobShop) else scenario.as_job_shop()
        return shop


POLICIES = (Neural,)
