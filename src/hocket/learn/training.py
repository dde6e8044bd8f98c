"""A training in progress: the learner, where its episodes come from, and what has been reached.

`hocket.learn.loop` decides what is done when; here is how it is done.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from hocket import __version__
from hocket.core.errors import RunError
from hocket.core.interrupt import check
from hocket.core.policy import spec
from hocket.learn import checkpoint as checkpoints
from hocket.learn import weights
from hocket.learn.asking import Episode, Learned
from hocket.learn.curve import Row
from hocket.learn.supply import Source, Supply, described, fixed
from hocket.learn.workers import Workers

if TYPE_CHECKING:
    from hocket.learn.rollout import Answers, Rollout
    from hocket.learn.trainer import Trainer


class Counters(msgspec.Struct, kw_only=True):
    """What a training counts. All of it goes on when the training is resumed.

    `untold` is what the last update told, until its row is in the curve. `validated` is the update
    after which the network was last validated, `validated_at` so many seconds, at the cost
    `validation`; `validating` are the seconds of all validations, `best` the least of their costs.
    """

    updates: int = 0
    seconds: float = 0.0
    drawn: int = 0
    untold: dict[str, float] | None = None
    validated: int = -1
    validated_at: float = 0.0
    validation: float = math.inf
    validating: float = 0.0
    best: float = math.inf
    best_update: int = 0


class Training:
    """The state of a training, and the steps that it consists of."""

    def __init__(
        self,
        policy: Learned,
        trainer: Trainer,
        sources: Sequence[Source],
        *,
        validation: Sequence[Source],
        validation_episodes: int,
        seed: int,
        workers: int,
        on: str,
        device: str,
        out: Path,
        command: str,
    ) -> None:
        """A training that has learnt nothing yet, or what the policy's own `weights` have."""
        import torch

        self.policy, self.trainer, self.out, self.command = policy, trainer, out, command
        self.supply = Supply(policy, sources, seed)
        Supply(policy, validation)  # refuses what the policy is not made for
        self.episodes = fixed(validation, validation_episodes)
        sequence = np.random.SeedSequence(seed)
        self.rng = np.random.Generator(np.random.PCG64(sequence.spawn(1)[0]))
        torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0]) >> 1)
        network = policy.network()
        if policy.weights:
            weights.fit(network, weights.load(policy))
        network.to(torch.device(device))
        self.learner = trainer.start(policy, network)
        self.crew = Workers(policy, workers, on)
        self.counters = Counters()
        self.costs: list[float] = []  # of the episodes played in this update
        self.settings = {
            "policy": spec(policy),
            "trainer": {"trainer": trainer.name, **msgspec.to_builtins(trainer)},
            "scenarios": [described(source) for source in sources],
            "validation": [described(source) for source in validation],
            "validation_episodes": validation_episodes,
            "seed": seed,
            "workers": workers,
            "device": device,
        }
        self._before = time.monotonic()

    # Time

    def begin(self) -> None:
        """Start the clock."""
        self._before = time.monotonic()

    def elapsed(self) -> float:
        """Seconds of training until now, with those before it was resumed."""
        now = time.monotonic()
        self.counters.seconds += now - self._before
        self._before = now
        return self.counters.seconds

    # What is done

    def update(self, progress: float) -> None:
        """One update of the learner. If it raises, nothing has changed.

        Raises RunError if it ends with a loss or weights that are not finite: from then on this
        training is lost, and what was saved before is what remains.
        """
        import torch

        device = next(self.learner.network.parameters()).device
        generator, drawn = self.rng.bit_generator.state, self.supply.drawn
        pytorch = checkpoints.random_state(device)
        self.supply.progress = progress
        self.costs = []
        try:
            told = self.learner.update(self._draw, Playing(self), self.rng)
        except BaseException:
            self.rng.bit_generator.state, self.supply.drawn = generator, drawn
            checkpoints.restore_random_state(pytorch, device)
            raise
        self.counters.updates += 1
        self.counters.drawn = self.supply.drawn
        bad = [name for name, value in told.items() if "loss" in name and not math.isfinite(value)]
        bad += [
            f"the weights in {name}"
            for name, tensor in self.learner.network.state_dict().items()
            if not torch.isfinite(tensor).all()
        ]
        if bad:
            raise RunError(self._not_finite(bad, told))
        cost = {"cost": float(np.mean(self.costs))} if self.costs else {}
        self.counters.untold = cost | told

    def validate(self) -> None:
        """Play the validation episodes greedily; the weights that are the best so far are kept.

        Raises UserError where they cannot be written.
        """
        begun = time.monotonic()
        cost = float(self.crew.evaluate(self.learner.network, self.episodes).mean())
        count = self.counters
        count.validating += time.monotonic() - begun
        count.validation, count.validated = cost, count.updates
        count.validated_at = self.elapsed()
        if cost < count.best or not self.out.exists():
            self._keep(cost)
            count.best, count.best_update = cost, count.updates

    def row(self) -> Row:
        """What the curve says of the last update, and of the validation if there was one."""
        count = self.counters
        told = count.untold or {}
        first = {
            "update": count.updates,
            "seconds": round(self.elapsed(), 3),
            "episodes": count.drawn,
            "cost": told.get("cost"),
            "validation": count.validation if count.validated == count.updates else None,
        }
        return first | {name: value for name, value in told.items() if name not in first}

    def told(self) -> int:
        """The last update that has its row in the curve."""
        return self.counters.updates - (self.counters.untold is not None)

    def save(self) -> None:
        """Write the checkpoint. Raises UserError where it cannot be written."""
        network = self.learner.network
        self.elapsed()
        checkpoints.save(
            checkpoints.place(self.out),
            checkpoints.Checkpoint(
                settings=self.settings,
                weights=dict(network.state_dict()),
                learner=self.learner.state(),
                generator=dict(self.rng.bit_generator.state),
                torch=checkpoints.random_state(next(network.parameters()).device),
                counters=msgspec.to_builtins(self.counters),
            ),
        )

    def resume(self) -> bool:
        """Go on from the checkpoint, if there is one; whether there was.

        Raises InputError for a damaged one, UserError for one of a training with other settings.
        """
        path = checkpoints.place(self.out)
        if not path.exists():
            return False
        found = checkpoints.load(path, self.settings)
        checkpoints.restore(found, self.learner, self.rng)
        self.counters = msgspec.convert(found.counters, Counters)
        self.supply.drawn = self.counters.drawn
        return True

    # What learners are given

    def _draw(self, count: int) -> Sequence[Episode]:
        check()
        return self.supply.draw(count)

    # Words

    def _keep(self, cost: float) -> None:
        training = {
            "command": self.command,
            "hocket": __version__,
            "trainer": self.settings["trainer"],
            "scenarios": self.settings["scenarios"],
            "seed": self.settings["seed"],
            "updates": self.counters.updates,
            "seconds": round(self.elapsed(), 1),
            "episodes": self.counters.drawn,
            "cost": cost,
        }
        network = self.learner.network
        told = weights.metadata(self.policy, network, **training)
        weights.save(self.out, weights.of(network), told)

    def _not_finite(self, bad: list[str], told: dict[str, float]) -> str:
        shown = ", ".join(f"{n} = {told[n]}" if n in told else n for n in bad[:3])
        return (
            f"update {self.counters.updates} went wrong: {shown} not finite. The best weights "
            f"until then (update {self.counters.best_update}) stay in {self.out}. A lower learning "
            "rate, or gradients that are cut shorter, may help"
        )


class Playing:
    """How the learner of a training plays episodes; see `hocket.learn.trainer.Collect`."""

    def __init__(self, training: Training) -> None:
        """With the network, the workers and the generator of this training."""
        self.training = training

    def __call__(self, episodes: Sequence[Episode]) -> Rollout:
        """See Collect."""
        training = self.training
        found = training.crew.collect(training.learner.network, episodes, training.rng)
        training.costs += found.costs.tolist()
        return found

    def answers(self, episodes: Sequence[Episode]) -> Answers:
        """See Collect.answers."""
        training = self.training
        found = training.crew.answers(training.learner.network, episodes, training.rng)
        training.costs += found.costs.tolist()
        return found
