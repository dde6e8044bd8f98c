"""Any domain as a Gymnasium environment: the questions of a policy are the observations.

``gymnasium.make("hocket/shop-job-shop-v0", scenario="shop/ta01")`` after importing this module, or
`Environment` itself, which also takes a policy of one's own. Needs Gymnasium and greenlet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from hocket.core import registry
from hocket.core.errors import IllegalDecision, MissingExtra, NotApplicable, RunError, UserError
from hocket.core.load import load
from hocket.core.run import require_applicable
from hocket.core.scenario import Scenario
from hocket.core.timeline import Timeline
from hocket.learn.arena import Simulated
from hocket.learn.asking import Asked, Asking, Episode
from hocket.learn.batch import Batch
from hocket.learn.observe import Observation, graph, graph_space, padded, padded_space, wide_mask

try:
    import gymnasium
except ModuleNotFoundError as error:
    raise MissingExtra("learn", "gymnasium") from error

Info = dict[str, Any]


@runtime_checkable
class Bounded(Protocol):
    """A policy that knows how large its questions can get."""

    def most_rows(self, scenario: Any) -> dict[str, int]:
        """By table, how many rows a question of this scenario can have at most."""


class Environment(gymnasium.Env[Observation, Any]):
    """One scenario, or several, to be scheduled by whoever calls `step`.

    - an observation is a question: as it is (``observation="graph"``, see `observe.graph`) or with
      all tables padded to one size (``"padded"``, see `observe.padded`)
    - an action is a row of the table of actions. Which may be chosen says `action_masks`, and
      ``info["action_mask"]``
    - the reward is what is paid until the next question, negated; over an episode the rewards sum
      up to ``-policy.cost``
    - an episode is terminated when the run is over; it is never truncated. The observation is then
      the last question, and `info` holds ``cost``, ``metrics`` and ``timeline`` of the run

    Decisions without an alternative are not asked.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}  # type: ignore[misc]

    def __init__(
        self,
        scenario: Scenario | str | Sequence[Scenario],
        policy: Asking | None = None,
        *,
        observation: Literal["graph", "padded"] = "graph",
        seeds: Sequence[int] = (),
        max_rows: int | Mapping[str, int] | None = None,
        illegal: Literal["next", "refuse"] = "next",
        problem: str = "",
    ) -> None:
        """Without a `policy`, the domain's own questions.

        - `scenario`: one, or its name or file, or several of which each episode takes one
        - `seeds`: of which each episode takes one; without, `reset(seed=s)` simulates seed s, as
          `hocket.run` does, and further episodes take seeds of their own
        - `max_rows`: how many rows a question can have at most, in each table or by table. By
          default what the policy says (`Bounded`), else the most met in one run of each scenario
        - `illegal`: Gymnasium wants any action of the space to be taken. One that may not be chosen
          stands for the next one that may, around the end, and ``info["illegal"]`` says so;
          ``refuse`` raises IllegalDecision instead
        - `problem`: refuse scenarios of any other problem

        Raises UserError, NotApplicable.
        """
        self.scenarios = _scenarios(scenario)
        self.policy = _asking(self.scenarios[0]) if policy is None else policy
        for one in self.scenarios:
            if problem and registry.tag_of(one) != problem:
                raise NotApplicable(
                    f"this environment is for {problem}, not {registry.tag_of(one)}"
                )
            require_applicable(one, self.policy)
        self.seeds, self.illegal = tuple(seeds), illegal
        self._arena: Simulated | None = None
        self._record = _Record(self.policy)
        self._asked: Asked | None = None
        first = self._first(self.scenarios[0])
        most = self._most(first, max_rows)
        if observation == "padded":
            self._observed = padded_space(first, most)
        else:
            self._observed = graph_space(first)
        self.observation_space = self._observed
        self.padded = observation == "padded"
        self.rows = most[first.actions]
        self.action_space = gymnasium.spaces.Discrete(self.rows)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Begin an episode. Raises RunError if nothing is asked in it."""
        super().reset(seed=seed)
        scenario = self.scenarios[0]
        if len(self.scenarios) > 1:
            scenario = self.scenarios[int(self.np_random.integers(len(self.scenarios)))]
        episode = Episode(scenario, self._seed(seed))
        asked = self._start(episode)
        if asked is None:
            raise RunError(self._silent(scenario))
        self._episode, self._paid, self._asked = episode, 0.0, asked
        return self._observe(asked.batch), self._info(asked) | {"seed": episode.seed}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, Info]:
        """Answer the question with a row, and go on to the next question or the end.

        Raises ResetNeeded where there is no question, and what the simulator raises.
        """
        if self._arena is None or self._asked is None:
            raise gymnasium.error.ResetNeeded("the episode is over, or has not begun: call reset")
        before = self._asked
        row, legal = self._legal(int(action), before)
        self._asked = None  # should the simulation fail now, the episode is over
        self._arena.answer(np.array([row]))
        self._asked = asked = self._arena.asked()
        cost = float(self._arena.costs()[0]) if asked is None else float(asked.costs[0])
        reward, self._paid = self._paid - cost, cost
        if asked is not None:
            info = self._info(asked)
        else:
            info = self._end(cost) | {"action_mask": np.zeros(self.rows, bool)}
        last = before.batch if asked is None else asked.batch
        told = info if legal else info | {"illegal": True}
        return self._observe(last), reward, asked is None, False, told

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Which actions may be chosen now: bool of shape (actions,). All of none at the end.

        The name is what MaskablePPO of sb3-contrib looks for.
        """
        if self._asked is None:
            return np.zeros(self.rows, bool)
        return wide_mask(self._asked.batch, self.rows)

    def close(self) -> None:
        """End the episode where it is."""
        self._asked = None
        if self._arena is not None:
            self._arena.close()
            self._arena = None

    def _start(self, episode: Episode) -> Asked | None:
        self.close()
        self._arena = Simulated(cast(Asking, self._record), [episode])
        return self._arena.asked()

    def _seed(self, seed: int | None) -> int:
        if self.seeds:
            return self.seeds[int(self.np_random.integers(len(self.seeds)))]
        return int(self.np_random.integers(2**31)) if seed is None else seed

    def _legal(self, action: int, asked: Asked) -> tuple[int, bool]:
        """The row to take, and whether it is the action itself."""
        mask = asked.batch.mask
        if 0 <= action < len(mask) and mask[action]:
            return action, True
        rows = np.flatnonzero(mask)
        if self.illegal == "refuse":
            told = ", ".join(map(str, rows[:10].tolist()))
            raise IllegalDecision(
                self.policy.name,
                int(asked.times[0]),
                f"action {action}",
                f"of {len(mask)} rows these may be chosen: {told}",
            )
        return int(rows[np.searchsorted(rows, action) % len(rows)]), False

    def _observe(self, batch: Batch) -> Observation:
        return padded(batch, self._observed) if self.padded else graph(batch)

    def _info(self, asked: Asked) -> Info:
        mask = wide_mask(asked.batch, self.rows)
        return {"action_mask": mask, "time": int(asked.times[0]), "cost": float(asked.costs[0])}

    def _end(self, cost: float) -> Info:
        scenario, timeline = self._episode.scenario, self._record.timeline
        metrics = registry.problem_type(scenario).get("metrics")(scenario, timeline)
        return {"time": timeline.end, "cost": cost, "metrics": metrics, "timeline": timeline}

    def _first(self, scenario: Scenario) -> Batch:
        """The first question of a scenario, for what all questions share."""
        asked = self._start(Episode(scenario, self.seeds[0] if self.seeds else 0))
        self.close()
        if asked is None:
            raise UserError(self._silent(self.scenarios[0]))
        return asked.batch

    def _silent(self, scenario: Scenario) -> str:
        return (
            f"{self.policy.name} asks nothing in {scenario.name or 'this scenario'}: each decision "
            "in it has one answer. Take one with more to choose from, such as more machines, "
            "replicas or jobs"
        )

    def _most(self, first: Batch, wanted: int | Mapping[str, int] | None) -> dict[str, int]:
        """By table, how many rows a question can have."""
        if isinstance(wanted, int):
            return dict.fromkeys(first.tables, wanted)
        if wanted is not None:
            return {name: wanted.get(name, len(table)) for name, table in first.tables.items()}
        if isinstance(self.policy, Bounded):
            found = [self.policy.most_rows(scenario) for scenario in self.scenarios]
        else:
            found = [self._met(scenario) for scenario in self.scenarios]
        return {name: max(1, *(one[name] for one in found)) for name in first.tables}

    def _met(self, scenario: Scenario) -> dict[str, int]:
        """The most rows of each table in a run that always takes the first legal row."""
        asked = self._start(Episode(scenario, self.seeds[0] if self.seeds else 0))
        found: dict[str, int] = {}
        while asked is not None and self._arena is not None:
            for name, table in asked.batch.tables.items():
                found[name] = max(found.get(name, 0), len(table))
            self._arena.answer(np.array([asked.batch.mask.argmax()]))
            asked = self._arena.asked()
        self.close()
        return found


class _Record:
    """The policy in all but one thing: it keeps the timeline that a run ended with."""

    def __init__(self, policy: Asking) -> None:
        self.policy = policy
        self.timeline = Timeline()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.policy, name)

    def cost(self, scenario: Any, timeline: Timeline) -> float:
        self.timeline = timeline
        return self.policy.cost(scenario, timeline)


def _scenarios(given: Scenario | str | Sequence[Scenario]) -> tuple[Scenario, ...]:
    if isinstance(given, str):
        return (load(given),)
    if isinstance(given, Scenario):
        return (given,)
    if not given:
        raise UserError("an environment needs a scenario")
    return tuple(given)


def _asking(scenario: Scenario) -> Asking:
    """The questions that the domain itself puts about such a problem. Raises UserError."""
    problem = registry.problem_type(scenario)
    if not problem.asks:
        raise UserError(f"{registry.tag_of(scenario)} has no questions of its own: give a policy")
    asking: Asking = problem.get("asks")()
    return asking


def register() -> None:
    """Tell Gymnasium of one environment for each problem, such as ``hocket/shop-job-shop-v0``.

    Importing this module does it. To `gymnasium.make` give the `scenario`, and whatever else
    `Environment` takes.
    """
    for tag, problem in registry.problem_types().items():
        name = f"hocket/{tag.replace('/', '-')}-v0"
        if problem.asks and name not in gymnasium.registry:
            gymnasium.register(
                name, entry_point="hocket.learn.env:Environment", kwargs={"problem": tag}
            )


register()
