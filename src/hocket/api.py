"""The verbs in Python, the same as on the command line. Names and files work like objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from hocket.core import registry, study
from hocket.core.adversary import Worst, search
from hocket.core.convert import convert
from hocket.core.domain import Generator, resolve
from hocket.core.errors import InputError, NotApplicable, UnknownName, UserError
from hocket.core.fields import split_fields, with_fields
from hocket.core.load import check, load, load_policy
from hocket.core.paper import Claim, Progress
from hocket.core.policy import Policy
from hocket.core.run import Run, applicable
from hocket.core.run import run as run_once
from hocket.core.save import save
from hocket.core.scenario import Scenario
from hocket.core.solution import OnImprovement, Solution
from hocket.core.streams import Streams

if TYPE_CHECKING:
    from hocket.learn.asking import Learned
    from hocket.learn.loop import Status, Trained
    from hocket.learn.trainer import Trainer

__all__ = [
    "adversarial",
    "changed",
    "check",
    "compare",
    "default_policies",
    "generate",
    "listing",
    "load",
    "load_policy",
    "reproduce",
    "run",
    "save",
    "solve",
    "train",
]

ScenarioLike = Scenario | str | Path | Mapping[str, Any]
PolicyLike = Policy | str | Path | Mapping[str, Any]
Catalogue = Literal["domains", "policies", "scenarios", "papers", "generators", "formats"]


def run(scenario: ScenarioLike, policy: PolicyLike | None = None, *, seed: int = 0) -> Run:
    """Simulate one policy on one scenario; without a policy, the problem's first default.

    Raises what loading raises, NotApplicable, IllegalDecision and Deadlock.
    """
    world = _scenario(scenario)
    chosen = default_policies(world)[0] if policy is None else _policy(policy)
    return run_once(world, chosen, seed)


def compare(
    scenarios: ScenarioLike | Sequence[ScenarioLike],
    policies: PolicyLike | Sequence[PolicyLike] = (),
    *,
    seeds: int = 1,
    first_seed: int = 0,
    workers: int | None = 1,
    on: str = "local",
    study_file: str | Path | None = None,
    resume: bool = False,
    progress: study.OnCell | None = None,
) -> study.Comparison:
    """Run policies on scenarios over seeds and compare them; see `hocket.core.study.compare`.

    Without policies, the problem's defaults are compared. More than one worker (None: one per core)
    starts processes, for which a script needs an ``if __name__ == "__main__"`` guard.
    """
    if isinstance(scenarios, Scenario | str | Path | Mapping):
        scenarios = [scenarios]
    worlds = [_scenario(s) for s in scenarios]
    if not worlds:
        raise UserError("nothing to compare: give at least one scenario")
    if isinstance(policies, Policy | str | Path | Mapping):
        policies = [policies]
    chosen = [_policy(p) for p in policies] or default_policies(*worlds)
    return study.compare(
        worlds,
        chosen,
        seeds=seeds,
        first_seed=first_seed,
        workers=workers,
        on=on,
        study=study_file,
        resume=resume,
        progress=progress,
    )


def adversarial(
    loser: PolicyLike,
    winner: PolicyLike,
    *,
    scenario: ScenarioLike | None = None,
    objective: str | None = None,
    moves: int = 2000,
    seed: int = 0,
    progress: Callable[[int, int, float], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Worst:
    """The scenario on which `loser` loses most to `winner`; see `hocket.core.adversary.search`."""
    return search(
        _policy(loser),
        _policy(winner),
        start=None if scenario is None else _scenario(scenario),
        objective=objective,
        moves=moves,
        seed=seed,
        progress=progress,
        stop=stop,
    )


def changed(scenario: ScenarioLike, change: str, text: str) -> Scenario:
    """The scenario as it would be after a change, such as ``changed(cluster, "drain", "node-3")``.

    Raises NotApplicable for a problem that has no such change, and what the change raises.
    """
    world = _scenario(scenario)
    problem = registry.problem_type(world)
    known = problem.get("edits") if problem.edits else {}
    if change not in known:
        tag = registry.tag_of(world)
        able = f"; it can: {', '.join(known)}" if known else ""
        raise NotApplicable(f"{tag}: there is nothing to {change.replace('-', ' ')}{able}")
    return _sound(known[change](world, text), f"{world.name} after {change} {text}")


def solve(
    scenario: ScenarioLike,
    objective: str | None = None,
    *,
    method: str = "auto",
    time_limit: float = 60.0,
    seed: int = 0,
    workers: int = 2,
    progress: OnImprovement | None = None,
    stop: Callable[[], bool] | None = None,
    on: str = "local",
) -> Solution:
    """Solve to a proven bound within `time_limit` seconds of wall time.

    The objective is the scenario's own unless given; see `model.objectives`. `method` "auto" takes
    what is best for the problem; others are named in the registry, such as "cp-sat". `on` "ray"
    spreads the work over a Ray cluster, for problems that are solved by simulation. Raises
    UnknownName for an unknown objective or method, NotApplicable for a problem that has no exact
    model or that the method cannot solve.
    """
    world = _scenario(scenario)
    problem = registry.problem_type(world)
    if not problem.solve:
        raise NotApplicable(f"{problem.name} has no exact model; run or compare policies instead")
    known = (*(problem.solves or problem.objectives), *problem.maximises)
    if objective is not None and objective not in known:
        raise UnknownName("objective", objective, known)
    if method not in problem.methods:
        raise UnknownName(f"method for {problem.name}", method, problem.methods)
    if not time_limit >= 0:
        raise UserError(f"the time limit is {time_limit} seconds; it must be 0 or more")
    if workers < 1:
        raise UserError(f"workers must be at least 1, got {workers}")
    if on != "local" and not problem.spreads:
        raise NotApplicable(f"{problem.name} is solved on this machine only, not on {on!r}")
    Streams(seed)  # refuses what is no seed
    where = {"on": on} if problem.spreads else {}
    found: Solution = problem.get("solve")(
        world,
        objective,
        method=method,
        time_limit=time_limit,
        seed=seed,
        workers=workers,
        progress=progress,
        stop=stop,
        **where,
    )
    return found


def train(
    policy: PolicyLike,
    scenarios: ScenarioLike | Generator | Sequence[ScenarioLike | Generator],
    *,
    out: str | Path,
    seconds: float | None = None,
    updates: int | None = None,
    trainer: Trainer | str | None = None,
    seed: int = 0,
    workers: int = 1,
    on: str = "local",
    resume: bool = False,
    validate: Sequence[ScenarioLike | Generator] = (),
    validation_episodes: int = 16,
    device: str = "cpu",
    threads: int = 1,
    tensorboard: str | Path | None = None,
    progress: Callable[[Status], None] | None = None,
    command: str = "",
) -> Trained:
    """Train a learned policy, and write its weights to `out`; see `hocket.learn.loop.train`.

    A scenario may also be a generator, or the text of one: ``"shop/taillard(jobs=6, machines=6)"``.
    More than one worker starts processes, for which a script needs an
    ``if __name__ == "__main__"`` guard. Raises UserError for a policy that does not learn.
    """
    from hocket.learn import loop

    if isinstance(scenarios, Scenario | Generator | str | Path | Mapping):
        scenarios = [scenarios]
    return loop.train(
        learned(policy),
        [_world(given) for given in scenarios],
        out=out,
        seconds=seconds,
        updates=updates,
        trainer=trainer,
        seed=seed,
        workers=workers,
        on=on,
        resume=resume,
        validate=[_world(given) for given in validate],
        validation_episodes=validation_episodes,
        device=device,
        threads=threads,
        tensorboard=tensorboard,
        progress=progress,
        command=command,
    )


def learned(given: PolicyLike) -> Learned:
    """The policy, which must be one that learns. Raises UserError that names those."""
    from hocket.learn.asking import Learned

    policy = _policy(given)
    if isinstance(policy, Learned):
        return policy
    known = [name for name, kind in registry.policies().items() if issubclass(kind, Learned)]
    told = f"these do: {', '.join(known)}" if known else "none of the installed ones does"
    raise NotApplicable(f"{policy.name} does not learn, it is as it is; {told}")


def _world(given: ScenarioLike | Generator) -> Scenario | Generator:
    """The scenario, or the generator if it is one or its text."""
    if isinstance(given, Generator):
        return given
    if isinstance(given, str) and given.partition("(")[0] in registry.generators():
        return generator(given)
    return _scenario(given)


def generator(text: str) -> Generator:
    """The generator that a text names: ``shop/taillard`` or ``shop/taillard(jobs=6, machines=6)``.

    Raises UnknownName for an unknown generator, InputError for wrong fields.
    """
    name, bracket, inside = text.strip().partition("(")
    kind = registry.generator_class(name)
    if bracket and not inside.endswith(")"):
        raise UserError(f"{text!r} has no closing bracket: write {name}(field=value)")
    return with_fields(kind, split_fields(inside[:-1]) if bracket else ())


def generate(name: str, *, seed: int = 0, **fields: Any) -> Scenario:
    """A scenario drawn by a published generator, e.g. ``generate("shop/taillard", jobs=10)``.

    Raises UnknownName for an unknown generator, InputError for wrong fields.
    """
    generator: Generator = convert(dict(fields), registry.generator_class(name), source=name)
    return _sound(generator.make(seed), name)


def reproduce(
    paper: str, *, full: bool = False, seed: int = 0, progress: Progress | None = None
) -> list[Claim]:
    """Run the experiment of a published system; see `hocket.core.paper.Claim`."""
    claims: list[Claim] = resolve(registry.paper(paper).reproduce)(
        full=full, seed=seed, progress=progress
    )
    return claims


def default_policies(*scenarios: Scenario) -> list[Policy]:
    """What `compare` runs when no policy is named: the first problem's defaults, if they fit all.

    Raises NotApplicable when the scenarios have no default in common.
    """
    names = registry.problem_type(scenarios[0]).policies
    policies = [registry.policy_class(name)() for name in names]
    fitting = [p for p in policies if all(applicable(s, p) for s in scenarios)]
    if not fitting:
        tags = sorted({registry.tag_of(s) for s in scenarios})
        raise NotApplicable(f"no policy is the default for all of {', '.join(tags)}: name some")
    return fitting


def listing(what: Catalogue = "policies") -> list[str]:
    """The names of everything of a kind."""
    if what == "domains":
        return list(registry.domains())
    if what == "policies":
        return list(registry.policies())
    if what == "scenarios":
        return registry.scenario_names()
    if what == "papers":
        return list(registry.papers())
    if what == "generators":
        return list(registry.generators())
    if what == "formats":
        return list(registry.formats())
    raise UnknownName("catalogue", what, get_args(Catalogue))


def _scenario(given: ScenarioLike) -> Scenario:
    """The scenario, sound: one that was built in Python is looked at as a file would be."""
    if not isinstance(given, Scenario):
        return load(given)
    return _sound(given, given.name or "the scenario")


def _sound(world: Scenario, source: str) -> Scenario:
    """The scenario itself, if it has no problems."""
    if problems := list(world.problems()):
        raise InputError(source, problems)
    return world


def _policy(given: PolicyLike) -> Policy:
    return given if isinstance(given, Policy) else load_policy(given)
