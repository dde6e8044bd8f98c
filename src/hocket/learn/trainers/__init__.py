"""The trainers, one readable file each. Needs PyTorch: import it only to train."""

from __future__ import annotations

from hocket.learn.trainer import Trainer
from hocket.learn.trainers.imitate import Imitate
from hocket.learn.trainers.ppo import PPO
from hocket.learn.trainers.reinforce import Reinforce
from hocket.learn.trainers.selflabel import SelfLabel

TRAINERS: dict[str, type[Trainer]] = {
    kind.name: kind for kind in (Reinforce, PPO, Imitate, SelfLabel)
}
"""By name, as ``hocket train --trainer`` takes it."""
