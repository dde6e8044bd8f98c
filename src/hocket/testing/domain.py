"""Check that a domain's rooms are there and do what the contract says."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hocket.core import registry
from hocket.core.convert import convert
from hocket.core.domain import Domain, Format, Generator, ProblemType, resolve
from hocket.core.errors import UserError
from hocket.core.policy import Policy
from hocket.core.registry import tag_of
from hocket.core.save import plain
from hocket.core.scenario import Scenario
from hocket.core.timeline import Timeline
from hocket.testing.configuration import check_configuration
from hocket.testing.errors import ContractError
from hocket.testing.imports import all_imports, violations
from hocket.testing.mutations import check_the_checker
from hocket.testing.policy import handled, observe
from hocket.testing.replay import Case, check_elsewhere
from hocket.testing.report import Report
from hocket.testing.samples import samples

ROOMS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "simulate": (("scenario", "policy"), ("seed", "kernel")),
    "check": (("scenario", "timeline"), ()),
    "metrics": (("scenario", "timeline"), ()),
    "due": (("scenario",), ()),
    "figures": (("scenario", "runs"), ()),
    "plan": (("timeline",), ()),
    "evidence": (("solution",), ()),
    "solve": (
        ("scenario", "objective"),
        ("method", "time_limit", "seed", "workers", "progress", "stop"),
    ),
}
"""How each room is called: what is given by place, and what by name."""

NAMES = 5  # published instances that are loaded


def check_domain(
    domain: Domain | str,
    policies: Sequence[Policy] | None = None,
    seeds: Sequence[int] = (0, 1),
) -> Report:
    """Check a domain and all its policies (or only those given); returns what was checked.

    Its rooms can be imported and called as the contract says, it imports no other domain, its
    generators repeat themselves, its formats read what they write, its published instances load,
    its metrics hold the objectives, its checkers reject timelines made wrong on purpose, and its
    policies pass what `check_policy` checks. A policy that refuses every small scenario is listed
    as skipped. Raises a ConformanceError.
    """
    subject = registry.domain(domain) if isinstance(domain, str) else domain
    checks = [*_check_rooms(subject), *_check_imports(subject), *_check_generators(subject)]
    known = samples(subject)
    checks += [*_check_files(subject, known), *_check_names(subject)]
    kinds = _policies(subject)
    checks += [*_check_defaults(subject, kinds), *_check_problems(subject, kinds, known)]
    if policies is None:
        policies = [kind() for kind in kinds.values()]
    passed, skipped = _check_policies(subject, policies, known, seeds)
    return Report(
        subject=f"domain {subject.name}", checks=(*checks, *passed), skipped=tuple(skipped)
    )


def _check_rooms(domain: Domain) -> Iterator[str]:
    for problem in domain.problems:
        rooms = [room for room in ROOMS if getattr(problem, room)]
        for room in rooms:
            _check_signature(problem, room)
        kind = _imported(problem, "scenario")
        if not (isinstance(kind, type) and issubclass(kind, Scenario)):
            raise ContractError(f"{problem.scenario} is no subclass of Scenario")
        if tag_of(kind) != f"{domain.name}/{problem.name}":
            raise ContractError(
                f"the tag of {kind.__name__} is {tag_of(kind)!r}, not "
                f"'{domain.name}/{problem.name}'"
            )
        yield f"{problem.name}: rooms {', '.join(['scenario', *rooms])}"


def _imported(problem: ProblemType, room: str) -> Any:
    try:
        return problem.get(room)
    except (ImportError, AttributeError) as error:
        path = getattr(problem, room)
        raise ContractError(f"{problem.name}: {room} = {path!r}: {error}") from error


def _check_signature(problem: ProblemType, room: str) -> None:
    function = _imported(problem, room)
    by_place, by_name = ROOMS[room]
    if not callable(function):
        raise ContractError(f"{problem.name}: {room} is no function")
    try:
        inspect.signature(function).bind(*by_place, **dict.fromkeys(by_name))
        if room == "simulate":
            inspect.signature(function).bind(*by_place)
    except TypeError as error:
        wanted = ", ".join([*by_place, *(["*", *by_name] if by_name else [])])
        raise ContractError(
            f"{getattr(problem, room)} cannot be called as {room}({wanted}): {error}"
        ) from error


def _check_imports(domain: Domain) -> Iterator[str]:
    package = domain.policies.rpartition(".")[0]
    folder = Path(str(importlib.import_module(package).__file__)).parent
    part = package.removeprefix("hocket.").partition(".")[0]
    broken = violations(part, all_imports(folder, package))
    if broken:
        raise ContractError("a domain imports only what lies below it:\n  " + "\n  ".join(broken))
    yield f"imports: {package} imports no other domain and nothing above it"


def _check_generators(domain: Domain) -> Iterator[str]:
    kinds: Sequence[type[Generator]] = resolve(domain.generators) if domain.generators else ()
    names = [kind.name for kind in kinds]
    if len(set(names)) < len(names) or not all(names):
        raise ContractError(f"generators need names that differ: {', '.join(names)}")
    tags = {f"{domain.name}/{problem.name}" for problem in domain.problems}
    for kind in kinds:
        scenario, same, other = kind().make(3), kind().make(3), kind().make(4)
        if scenario != same:
            raise ContractError(f"generator {kind.name} makes two scenarios of one seed")
        if (scenario == other) is kind.drawn:
            does = "does not heed its seed" if kind.drawn else "heeds a seed, and says it does not"
            raise ContractError(f"generator {kind.name} {does}")
        if problems := list(scenario.problems()):
            raise ContractError(f"generator {kind.name} makes an unsound scenario: {problems[0]}")
        if tag_of(scenario) not in tags:
            raise ContractError(f"generator {kind.name} makes a {tag_of(scenario)}")
    if kinds:
        yield f"generators: {len(kinds)} repeat themselves, heed their seed, make sound scenarios"


def _check_files(domain: Domain, known: dict[str, list[Scenario]]) -> Iterator[str]:
    scenarios = [scenario for found in known.values() for scenario in found]
    for scenario in scenarios:
        try:
            again = convert(plain(scenario), type(scenario), source=scenario.name)
        except UserError as error:
            raise ContractError(f"{scenario.name} cannot be read back: {error}") from error
        if again != scenario:
            raise ContractError(f"{scenario.name} is not what it was when written and read back")
    yield f"files: {len(scenarios)} scenarios read back from plain data"
    formats: Sequence[Format] = resolve(domain.formats) if domain.formats else ()
    for one in formats:
        if one.write is None or one.part:
            continue
        written = [scenario for scenario in scenarios if _round_trip(one, scenario)]
        if scenarios and not written:
            raise ContractError(f"format {one.name} can write none of the generated scenarios")
        yield f"format {one.name}: {len(written)} scenarios written, read and written again"


def _round_trip(one: Format, scenario: Scenario) -> bool:
    """False where the format cannot hold the scenario. A second writing must equal the first."""
    assert one.write is not None
    try:
        text = one.write(scenario)
    except UserError:
        return False
    except Exception as error:
        raise ContractError(
            f"format {one.name} fails to write {scenario.name} with {type(error).__name__}: "
            f"{error}. What a format cannot hold is an InputError, another problem NotApplicable"
        ) from error
    name = f"{scenario.name}{one.suffixes[0] if one.suffixes else ''}"
    if not one.sniff(name, text[:4096]):
        raise ContractError(f"format {one.name} does not recognise what it wrote")
    again = one.write(one.read(text, name))
    if _said(one, again) != _said(one, text):
        raise ContractError(f"format {one.name} reads {scenario.name} as something else")
    return True


def _said(one: Format, text: str) -> list[str]:
    """The lines of a text that are no comments."""
    lines = text.splitlines()
    return [line for line in lines if not (one.comment and line.startswith(one.comment))]


def _check_names(domain: Domain) -> Iterator[str]:
    names: list[str] = resolve(domain.names)() if domain.names else []
    for name in names[:: max(1, len(names) // NAMES)]:
        scenario = resolve(domain.named)(name)
        if problems := list(scenario.problems()):
            raise ContractError(f"{name} is unsound: {problems[0]}")
        if scenario != resolve(domain.named)(name):
            raise ContractError(f"{name} is not the same twice")
    if names:
        yield f"names: {len(names)} instances, some loaded"


def _policies(domain: Domain) -> dict[str, type[Policy]]:
    """The policy classes in the domain's own package."""
    package = importlib.import_module(domain.policies)
    modules = [
        importlib.import_module(f"{package.__name__}.{info.name}")
        for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name)
    ]
    found = {}
    for module in modules:
        for kind in getattr(module, "POLICIES", ()):
            if kind.name.partition("/")[0] != domain.name:
                raise ContractError(f"{kind.__name__}.name is {kind.name!r}, not {domain.name}/...")
            found[kind.name] = kind
    return found


def _check_defaults(domain: Domain, kinds: dict[str, type[Policy]]) -> Iterator[str]:
    for problem in domain.problems:
        tag = f"{domain.name}/{problem.name}"
        for name in problem.policies:
            if name not in kinds or tag not in kinds[name].problems:
                raise ContractError(f"{tag}: the default policy {name} does not handle it")
        if not problem.policies:
            raise ContractError(f"{tag}: names no default policies for `compare`")
    yield f"defaults: {len(domain.problems)} problems name policies that handle them"


def _check_problems(
    domain: Domain, kinds: dict[str, type[Policy]], known: dict[str, list[Scenario]]
) -> Iterator[str]:
    """Metrics and checkers, on the runs of each problem's first default policy."""
    for problem in domain.problems:
        scenarios = known.get(f"{domain.name}/{problem.name}", [])
        policy = kinds[problem.policies[0]]()
        seen: set[str] = set()
        told: list[str] = []
        # At a horizon work may rightly be left undone, which is the first thing that is tried.
        whole = [s for s in scenarios if getattr(s, "horizon", None) is None]
        for scenario in scenarios:
            timeline: Timeline = problem.get("simulate")(scenario, policy)
            metrics: dict[str, float] = problem.get("metrics")(scenario, timeline)
            objective = getattr(scenario, "objective", None)
            if objective is not None and objective not in metrics:
                raise ContractError(f"the metrics of {scenario.name} lack its own {objective}")
            seen |= metrics.keys()
            if scenario in whole[:1]:
                told = check_the_checker(problem, scenario, timeline)
        unseen = [name for name in problem.objectives if name not in seen]
        yield f"{problem.name}: metrics hold {len(problem.objectives) - len(unseen)} objectives"
        yield from told


def _check_policies(
    domain: Domain,
    policies: Sequence[Policy],
    known: dict[str, list[Scenario]],
    seeds: Sequence[int],
) -> tuple[list[str], list[str]]:
    problems = {f"{domain.name}/{problem.name}": problem for problem in domain.problems}
    cases: list[Case] = []
    skipped: list[str] = []
    decisions = 0
    for policy in policies:
        check_configuration(policy)
        seen = observe(policy, handled(policy, known), problems, seeds)
        cases += seen.cases
        decisions += seen.decisions
        if seen.cases:
            skipped += seen.skipped
        else:
            skipped.append(f"{policy} altogether: give scenarios that it handles to check_policy")
    told = f"policies: {len(policies)} in {len(cases)} runs, {decisions} decisions, all as promised"
    return [told, *(check_elsewhere(cases) if cases else [])], skipped
