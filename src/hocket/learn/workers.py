"""Episodes spread over processes that stay: on this machine, or as actors of a Ray cluster.

Which worker plays what follows from the order of the episodes alone, and each draws from its own
generator. So a rollout is the same for a seed and a number of workers, wherever they run.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hocket.core.errors import HocketError, RunError, UserError
from hocket.core.plugins import crash
from hocket.core.pool import UNGUARDED
from hocket.learn.batch import join
from hocket.learn.collect import answers, collect, evaluate
from hocket.learn.rollout import Answers, Doubles, Rollout, Step

if TYPE_CHECKING:
    from hocket.learn.asking import Asking, Episode
    from hocket.learn.network import Network

PLACES = ("local", "ray")


class Workers:
    """Plays episodes of one policy on `count` workers; one on this machine is this very process.

    They start when first needed, get the network's weights with every call, and end with `close`
    (or the ``with`` block). If one dies, and after Ctrl-C, all are ended, and a later call starts
    anew.
    """

    def __init__(self, policy: Asking, count: int = 1, on: str = "local") -> None:
        """Raises UserError for less than one worker or an unknown place, MissingExtra for Ray."""
        if count < 1:
            raise UserError(f"workers must be at least 1, got {count}")
        if on not in PLACES:
            raise UserError(f"unknown place to run {on!r}: use 'local' or 'ray'")
        if count > 1 and getattr(multiprocessing.current_process(), "_inheriting", False):
            os._exit(UNGUARDED)  # a worker imports the script that started it; the parent explains
        self._policy, self._count, self._on = policy, count, on
        self._crew: Any = None
        self._sent: Network | None = None  # whose code and shape the workers have

    def collect(
        self, network: Network, episodes: Sequence[Episode], rng: np.random.Generator
    ) -> Rollout:
        """As `hocket.learn.collect.collect`; raises also RunError when a worker dies."""
        if self._alone:
            return collect(self._policy, network, episodes, rng)
        root = int(rng.integers(2**63))
        found = self._ask("collect", network, episodes, root)
        return _merged(found, [range(i, len(episodes), self._count) for i in range(self._count)])

    def answers(
        self, network: Network, episodes: Sequence[Episode], rng: np.random.Generator
    ) -> Answers:
        """As `hocket.learn.collect.answers`; raises also RunError when a worker dies."""
        if self._alone:
            return answers(self._policy, network, episodes, rng)
        root = int(rng.integers(2**63))
        rows: list[Any] = [None] * len(episodes)
        costs = np.zeros(len(episodes))
        for i, part in enumerate(self._ask("answers", network, episodes, root)):
            rows[i :: self._count], costs[i :: self._count] = part
        return Answers(rows, costs)

    def evaluate(self, network: Network, episodes: Sequence[Episode]) -> Doubles:
        """As `hocket.learn.collect.evaluate`; raises also RunError when a worker dies."""
        if self._alone:
            return evaluate(self._policy, network, episodes)
        costs = np.zeros(len(episodes))
        for i, part in enumerate(self._ask("evaluate", network, episodes)):
            costs[i :: self._count] = part
        return costs

    def close(self) -> None:
        """End the workers."""
        if self._crew is not None:
            self._crew.close()
            self._crew = self._sent = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def _alone(self) -> bool:
        return self._count == 1 and self._on == "local"

    def _ask(
        self, how: str, network: Network, episodes: Sequence[Episode], root: int = 0
    ) -> list[Any]:
        """What each worker made of its share, in order of the workers."""
        code = None if self._sent is network else _code(self._policy, network)
        done = False
        try:
            if self._crew is None:
                self._crew = _crew(self._on, self._count)
            weights = {n: t.detach().cpu().numpy() for n, t in network.state_dict().items()}
            shares = [list(episodes[i :: self._count]) for i in range(self._count)]
            tasks = [Task(how, code, weights, shares[i], root, i) for i in range(self._count)]
            found: list[Any] = self._crew.ask(tasks)
            self._sent = network
            done = True
        finally:
            if not done:
                self.close()
        for result in found:
            if isinstance(result, HocketError):
                raise result
        return found


class Task(NamedTuple):
    """What a worker is to do: ``collect``, ``answers`` or ``evaluate`` these episodes.

    `code` is the pickled policy and network where it does not have them yet; `root` and `worker`
    seed its generator.
    """

    how: str
    code: bytes | None
    weights: dict[str, Any]
    episodes: list[Episode]
    root: int
    worker: int


class Player:
    """What a worker is: the policy and a network of the parent's kind, and what they play."""

    def __init__(self) -> None:
        """One thread, as in the parent: what comes out must not depend on where it runs."""
        import torch

        torch.set_num_threads(1)
        self.policy: Any = None
        self.network: Any = None

    def play(self, task: Task) -> Any:
        """The rollout, answers or costs of a task, or the error that it ended with."""
        import torch

        try:
            if task.code is not None:
                self.policy, self.network = pickle.loads(task.code)
                self.network.to("cpu")
            self.network.load_state_dict({n: torch.from_numpy(w) for n, w in task.weights.items()})
            if task.how == "evaluate":
                return evaluate(self.policy, self.network, task.episodes)
            sequence = np.random.SeedSequence(task.root, spawn_key=(task.worker,))
            rng = np.random.Generator(np.random.PCG64(sequence))
            play = collect if task.how == "collect" else answers
            return play(self.policy, self.network, task.episodes, rng)
        except HocketError as error:
            return error
        except Exception as error:
            return RunError(f"a worker failed: {crash(error)}")


def _code(policy: Asking, network: Network) -> bytes:
    try:
        return pickle.dumps((policy, network))  # in this order: a loose file comes with the policy
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UserError(
            f"{policy.name} cannot be sent to other processes: {error}. Define its network at the "
            "top level of a file, or use one worker"
        ) from error


def _crew(on: str, count: int) -> Any:
    if on == "ray":
        from hocket.learn.crew_ray import RayCrew

        return RayCrew(count)
    from hocket.learn.crew import LocalCrew

    return LocalCrew(count)


def _merged(parts: Sequence[Rollout], lanes: Sequence[Sequence[int]]) -> Rollout:
    """One rollout of all; a round of it is that round of every worker, one after another."""
    numbers = [np.array(own, np.int64) for own in lanes]
    costs = np.zeros(sum(len(own) for own in lanes))
    for part, own in zip(parts, numbers, strict=True):
        costs[own] = part.costs
    rounds = max((len(part.steps) for part in parts), default=0)
    steps = []
    for r in range(rounds):
        here = [
            part.steps[r]._replace(lanes=own[part.steps[r].lanes])
            for part, own in zip(parts, numbers, strict=True)
            if r < len(part.steps)
        ]
        steps.append(_joined(here))
    return Rollout(steps, costs)


def _joined(steps: Sequence[Step]) -> Step:
    if len(steps) == 1:
        return steps[0]
    return Step(
        lanes=np.concatenate([step.lanes for step in steps]),
        batch=join([step.batch for step in steps]),
        rows=np.concatenate([step.rows for step in steps]),
        log_probs=np.concatenate([step.log_probs for step in steps]),
        values=np.concatenate([step.values for step in steps]),
        times=np.concatenate([step.times for step in steps]),
        costs=np.concatenate([step.costs for step in steps]),
    )
