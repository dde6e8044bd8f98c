"""What the agent sees: of each job its last started operation and the next four.

Source: Tassel, Gebser, Schekotihin, ICAPS 2023, section "Observation", and JobShopCPEnv.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hocket.shop.neural_cp.environment import Bools, Environment
from hocket.shop.search.instance import Ints

Floats = npt.NDArray[np.float32]

WINDOW = 5
POSITIONS = 100
"""Positions that the network knows; a job of 100 or more operations has its last ones alike."""

START, END = 1, 2


class Observation(NamedTuple):
    """The six tensors, for L lanes of J jobs with a window of W = 5 slots.

    - `intervals`: float32 (L, J, W, 4): is started, lower bound of the start, duration, is next;
      the second and third standardised
    - `positions`: int64 (L, J, W), number of the operation in its job, 0 to 99
    - `tokens`: int64 (L, J, W): 0 is an operation, 1 START (nothing started yet), 2 END
    - `padding`: bool (L, J, W), slots behind the first END, which nobody attends to
    - `rivals`: int64 (L, J), the machine for which a legal job competes, -1 where it is not legal.
      Two jobs attend to each other if they are rivals for the same machine; each to itself
    - `legal`: bool (L, J + 1), the last being No-Op
    """

    intervals: Floats
    positions: Ints
    tokens: Ints
    padding: Bools
    rivals: Ints
    legal: Bools

    def lanes(self, which: Ints | Bools) -> Observation:
        """A copy of what is seen in some of the lanes."""
        return Observation(
            intervals=self.intervals[which],
            positions=self.positions[which],
            tokens=self.tokens[which],
            padding=self.padding[which],
            rivals=self.rivals[which],
            legal=self.legal[which],
        )

    def attends(self) -> Bools:
        """Bool (L, J, J): the job-job mask, true where the row attends to the column."""
        same = self.rivals[:, :, None] == self.rivals[:, None, :]
        same &= self.rivals[:, :, None] >= 0
        attends: Bools = same | np.eye(self.rivals.shape[1], dtype=bool)
        return attends


def observe(world: Environment) -> Observation:
    """The present state of all lanes."""
    number = world.done[:, :, None] - 1 + np.arange(WINDOW)
    real = (number >= 0) & (number < world.length[:, None])
    operation = np.where(real, world.first[:-1, None] + number, -1)
    tokens = np.where(real, 0, np.where(number < 0, START, END))
    legal = world.legal()
    return Observation(
        intervals=_intervals(world, operation, real),
        positions=_positions(world, number, real),
        tokens=tokens,
        padding=number > world.length[:, None],
        rivals=np.where(legal[:, :-1], world.next_machine, -1),
        legal=legal,
    )


def _intervals(world: Environment, operation: Ints, real: Bools) -> Floats:
    durations = world.duration[operation]
    lower = np.zeros(operation.shape, np.int64)
    lower[:, :, 0] = world.latest
    lower[:, :, 1] = world.lower
    free = np.take_along_axis(world.free[:, None, :], world.machine[operation], axis=2)
    for slot in range(2, WINDOW):
        ends = lower[:, :, slot - 1] + durations[:, :, slot - 1]
        np.maximum(ends, free[:, :, slot], out=lower[:, :, slot])
    features = np.zeros((*operation.shape, 4), np.float32)
    features[:, :, 0, 0] = real[:, :, 0]
    features[..., 1] = np.where(real, lower, 0)
    features[..., 2] = np.where(real, durations, 0)
    features[:, :, 1, 3] = real[:, :, 1]
    return _standardised(world, features)


def _standardised(world: Environment, features: Floats) -> Floats:
    """In place. The lower bounds are scaled by a mean and a deviation of *all four* features of the
    second slot, as in the released environment, whose weights expect it."""
    second = features[:, :, 1].astype(np.float64)
    times = world.shop.duration
    mean = second.mean(axis=(1, 2)).astype(np.float32)
    deviation = (second.std(axis=(1, 2)) + 1e-8).astype(np.float32)
    features[..., 1] -= mean[:, None, None]
    features[..., 1] /= deviation[:, None, None]
    features[..., 2] -= np.float32(times.mean())
    features[..., 2] /= np.float32(times.std() + 2e-8)
    return features


def _positions(world: Environment, number: Ints, real: Bools) -> Ints:
    """Tokens stand just before the job that is least far; all move up if that is below 0."""
    least = world.done.min(axis=1) - 1
    positions = np.where(real, number, least[:, None, None])
    lowest = positions.min(axis=(1, 2), initial=0)
    shifted: Ints = np.minimum(positions - lowest[:, None, None], POSITIONS - 1)
    return shifted
