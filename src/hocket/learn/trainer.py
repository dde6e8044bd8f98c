"""What a trainer is: settings, and a learner that they start. The trainers are in `trainers`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec
import numpy as np

from hocket.learn.asking import Episode, Learned

if TYPE_CHECKING:
    from hocket.learn.network import Network
    from hocket.learn.rollout import Answers, Rollout

Draw = Callable[[int], Sequence[Episode]]
"""Draws this many fresh episodes to learn from, on the scenarios of this stage of training."""


class Collect(Protocol):
    """Plays episodes with the network as it is now, sampling; here or spread over workers."""

    def __call__(self, episodes: Sequence[Episode], /) -> Rollout:
        """Play, and keep every question."""

    def answers(self, episodes: Sequence[Episode], /) -> Answers:
        """Play, and keep nothing but the answers: many more episodes fit into memory."""


class Learner(Protocol):
    """A training in progress: the network, its optimiser, and whatever else an update changes."""

    network: Network

    def update(self, draw: Draw, collect: Collect, rng: np.random.Generator) -> dict[str, float]:
        """One update; returns what to log. `rng` is the only source of random numbers.

        Must leave the learner as it was if it raises, so that what is saved is always whole.
        """

    def state(self) -> dict[str, Any]:
        """All that a resumed training needs beside the network's weights and the generators.

        Nested dicts of tensors, arrays, numbers, text and lists of numbers.
        """

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from such a state."""


class Trainer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of a trainer, each with a default. The docstring's first line is its summary."""

    name: ClassVar[str] = ""
    source: ClassVar[str] = ""

    def start(self, policy: Learned, network: Network) -> Learner:
        """A learner that has not learnt anything yet."""
        raise NotImplementedError(f"{type(self).__name__} has no start(policy, network)")
