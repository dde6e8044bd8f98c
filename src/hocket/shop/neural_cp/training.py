"""How the agent learns: a constraint solver shows it better endings to its own schedules.

There is no reward and no value network. The paper's own setting is four instances and days of
solver time::

    hocket train shop/neural-cp --scenario shop/ta31 --scenario shop/ta32 --scenario shop/ta33
        --scenario shop/ta34 --updates 100 --out F.safetensors

Small instances are completed to optimality within a second, so that an afternoon on two cores
suffices; the weights that come with hocket say in their header how they were trained.

Source: Tassel, Gebser, Schekotihin, ICAPS 2023, and the released code. Needs PyTorch and OR-Tools.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hocket.core.errors import RunError
from hocket.learn.asking import Learned
from hocket.learn.batch import join
from hocket.learn.network import Network, tensors
from hocket.learn.rollout import Doubles, Rollout
from hocket.learn.trainer import Collect, Draw
from hocket.learn.trainers.gradient import GradientLearner, GradientTrainer, minibatches
from hocket.shop.neural_cp.completion import Moment, after, complete, relabelled, replay
from hocket.shop.neural_cp.scenario import compiled
from hocket.shop.search.instance import Ints, Shop


class Completion(GradientTrainer, frozen=True):
    """Completion: play, cut, let CP-SAT finish from the cut, and learn from the difference.

    Every update plays `episodes` on each of `instances` scenarios, cuts all of them after the same
    random number of moments, and completes each from there within `effort` (CP-SAT's deterministic
    time, about seconds of one core), `solvers` at a time. The solver's ending is made more likely
    and the agent's own less likely, in proportion to the improvement; then the beginnings from
    which the completion was short are made more likely. Each of these two steps clips the ratio of
    probabilities to ``1 ± clip`` and takes up to `epochs` passes of `batches` minibatches, until
    the mean approximate KL divergence of a pass exceeds `kl_limit`.

    The defaults are the paper's, with 8 episodes of each instance for the workers of its machine;
    there the instances are always ta31 to ta34. The learning rate falls to 0 in `total_updates`.
    """

    name: ClassVar[str] = "completion"
    source: ClassVar[str] = "Tassel, Gebser, Schekotihin, ICAPS 33 (2023)"

    learning_rate: float = 2e-4
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    total_updates: int = 100
    max_grad_norm: float = 0.0
    instances: int = 4
    episodes: int = 8
    effort: float = 160.0
    solvers: int = 1
    clip: float = 0.3
    epochs: int = 20
    batches: int = 20
    kl_limit: float = 0.01

    def __post_init__(self) -> None:
        """Refuse settings that cannot train."""
        super().__post_init__()
        for name in ("instances", "episodes", "effort", "solvers", "epochs", "batches", "kl_limit"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0")
        if not 0 < self.clip < 1:
            raise ValueError("clip must lie between 0 and 1")

    def start(self, policy: Learned, network: Network) -> CompletionLearner:
        """See Trainer.start."""
        return CompletionLearner(self, network)


class Example(NamedTuple):
    """An action that was taken at a moment, and how good that was compared with others."""

    moment: int
    action: int
    advantage: float


class Shown(NamedTuple):
    """One episode after the solver's lesson. Makespans in ticks."""

    instance: int
    beginning: list[Moment]
    ending: list[Moment]
    better: list[Moment]
    makespan: int
    completed: int

    @property
    def improvement(self) -> float:
        """By which share the solver's makespan is shorter than the agent's."""
        return (self.makespan - self.completed) / max(self.makespan, 1)


class CompletionLearner(GradientLearner[Completion]):
    """A training by completion in progress."""

    def __init__(self, settings: Completion, network: Network) -> None:
        """Nothing learnt yet. Adam's epsilon is the paper's."""
        super().__init__(settings, network)
        self.optimiser = torch.optim.AdamW(
            network.parameters(),
            settings.learning_rate,
            eps=1e-5,
            weight_decay=settings.weight_decay,
        )

    def learn(self, draw: Draw, collect: Collect, rng: np.random.Generator) -> dict[str, float]:
        """One update. See GradientLearner.learn."""
        drawn = list(draw(self.settings.instances))
        shops = [compiled(episode.scenario) for episode in drawn]
        played = collect([e for e in drawn for _ in range(self.settings.episodes)])
        shown = self._show(shops, played, rng)
        if not shown:
            return {"makespan": float(played.costs.mean())}
        by_improvement = _scaled(shown, [s.improvement for s in shown], between_extremes)
        by_makespan = _scaled(shown, [float(s.completed) for s in shown], standard)
        moments: list[Moment] = []
        endings: list[Example] = []
        beginnings: list[Example] = []
        for one, gain, loss in zip(shown, by_improvement, by_makespan, strict=True):
            endings += _examples(moments, one.better, gain)
            endings += _examples(moments, one.ending, -gain)
            beginnings += _examples(moments, one.beginning, -loss)
        old = self._log_probs(moments)
        first = self._improve(moments, old, endings, rng)
        second = self._improve(moments, old, beginnings, rng)
        return {
            "makespan": float(np.mean([s.makespan for s in shown])),
            "completed": float(np.mean([s.completed for s in shown])),
            "improvement": float(np.mean([s.improvement for s in shown])),
            **{f"ending_{key}": value for key, value in first.items()},
            **{f"beginning_{key}": value for key, value in second.items()},
        }

    def _show(self, shops: list[Shop], played: Rollout, rng: np.random.Generator) -> list[Shown]:
        """Cut every episode after the same number of moments, and complete it from there."""
        count = self.settings.episodes
        answers = [_answers(played, lane) for lane in range(len(played.costs))]
        replays = [
            replay(shop, answers[i * count : (i + 1) * count]) for i, shop in enumerate(shops)
        ]
        shortest = min(len(moments) for episodes, _ in replays for moments in episodes)
        if shortest < 2:
            return []
        cut = int(rng.integers(1, shortest))
        pool = ThreadPoolExecutor(self.settings.solvers)
        try:
            return [
                one
                for instance, (episodes, start) in enumerate(replays)
                for one in self._completed(pool, shops[instance], instance, episodes, start, cut)
            ]
        finally:
            pool.shutdown(cancel_futures=True)

    def _completed(
        self,
        pool: ThreadPoolExecutor,
        shop: Shop,
        instance: int,
        episodes: list[list[Moment]],
        start: Ints,
        cut: int,
    ) -> list[Shown]:
        """The episodes on one instance, cut and completed."""
        world = after(shop, [moments[:cut] for moments in episodes])
        solve = partial(complete, world, effort=self.settings.effort)
        found = np.stack(list(pool.map(solve, range(len(episodes)), start)))
        better = relabelled(world, found)
        return [
            Shown(
                instance=instance,
                beginning=episodes[lane][:cut],
                ending=episodes[lane][cut:],
                better=better[lane],
                makespan=int((start[lane] + shop.duration).max()),
                completed=int((found[lane] + shop.duration).max()),
            )
            for lane in range(len(episodes))
        ]

    def _log_probs(self, moments: list[Moment]) -> list[Doubles]:
        """The logarithm of the probability of each action at each moment, as the network is."""
        found: list[Doubles] = []
        for i in range(0, len(moments), 256):
            part = moments[i : i + 256]
            with torch.no_grad():
                logs = self._logs(part).cpu().numpy()
            found += np.split(logs, np.cumsum([len(moment.batch.mask) for moment in part])[:-1])
        return found

    def _logs(self, moments: list[Moment]) -> Tensor:
        """Log-probabilities of all actions of these moments, shape (actions,)."""
        batch = join([moment.batch for moment in moments])
        inside = tensors(batch, self.device)
        logits = self.network(inside).logits.masked_fill(~inside.mask, -torch.inf)
        lane = inside.lanes[inside.actions]
        highest = torch.full((batch.size,), -torch.inf, device=logits.device)
        highest = highest.scatter_reduce(0, lane, logits.detach(), "amax")
        total = torch.zeros_like(highest).index_add(0, lane, (logits - highest[lane]).exp())
        found: Tensor = logits - (highest + total.log())[lane]
        return found

    def _improve(
        self,
        moments: list[Moment],
        old: list[Doubles],
        examples: list[Example],
        rng: np.random.Generator,
    ) -> dict[str, float]:
        """Make actions with an advantage more likely, without going far from what was."""
        settings, kls, losses = self.settings, [0.0], [0.0]  # of no step yet
        if not any(example.advantage for example in examples):
            return {"epochs": 0.0, "kl": 0.0, "loss": 0.0}
        before = np.array([old[e.moment][e.action] for e in examples])
        advantage = np.array([e.advantage for e in examples])
        size = max(len(examples) // settings.batches, 1)
        for _ in range(settings.epochs):
            divergences = []
            for part in minibatches(len(examples), size, rng):
                now = self._of([examples[i] for i in part], moments)
                change = now - self.tensor(before[part])
                ratio, gain = change.exp(), self.tensor(advantage[part])
                near = ratio.clamp(1 - settings.clip, 1 + settings.clip)
                loss = -torch.minimum(gain * ratio, gain * near).mean()
                if not torch.isfinite(loss):
                    raise RunError("the loss is not finite: lower the learning rate")
                self.descend(loss)
                losses.append(float(loss.detach()))
                divergences.append(float(((ratio - 1) - change).detach().mean()))
            kls.append(float(np.mean(divergences)))
            if kls[-1] > settings.kl_limit:
                break
        return {"epochs": len(kls) - 1.0, "kl": kls[-1], "loss": float(np.mean(losses[1:]))}

    def _of(self, examples: Sequence[Example], moments: list[Moment]) -> Tensor:
        """The log-probabilities of the examples' actions now."""
        needed = sorted({example.moment for example in examples})
        shown = [moments[i] for i in needed]
        begin = dict(zip(needed, np.cumsum([0, *(len(m.batch.mask) for m in shown)]), strict=False))
        rows = [int(begin[example.moment]) + example.action for example in examples]
        return self._logs(shown)[torch.tensor(rows, device=self.device)]


def _answers(played: Rollout, lane: int) -> Ints:
    """What one episode was answered, in order."""
    told = [step.rows[step.lanes == lane] for step in played.steps]
    return np.concatenate(told) if told else np.zeros(0, np.int64)


def _examples(moments: list[Moment], more: list[Moment], advantage: float) -> list[Example]:
    """The actions of some moments, which are added to `moments`."""
    found = []
    for moment in more:
        found += [Example(len(moments), action, advantage) for action in moment.actions]
        moments.append(moment)
    return found


def between_extremes(values: Doubles) -> Doubles:
    """Scaled to [0, 1]; all 0 if they are equal."""
    scaled: Doubles = (values - values.min()) / (values.max() - values.min() + 1e-8)
    return scaled


def standard(values: Doubles) -> Doubles:
    """As deviations from the mean, in standard deviations; all 0 if they are equal."""
    scaled: Doubles = (values - values.mean()) / (values.std() + 1e-8)
    return scaled


def _scaled(
    shown: list[Shown], values: list[float], scale: Callable[[Doubles], Doubles]
) -> list[float]:
    """The values, scaled within each instance."""
    instance, given = np.array([s.instance for s in shown]), np.array(values)
    scaled = np.empty(len(given))
    for i in np.unique(instance):
        scaled[instance == i] = scale(given[instance == i])
    found: list[float] = scaled.tolist()
    return found
