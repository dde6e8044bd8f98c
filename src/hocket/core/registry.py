"""Names to things: domains, policies, papers. Built in by list, third parties by entry point."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from hocket.core.domain import Domain, Format, Generator, ProblemType, resolve
from hocket.core.errors import InputError, UnknownName, UserError
from hocket.core.paper import Paper
from hocket.core.plugins import module_in
from hocket.core.policy import Policy
from hocket.core.scenario import Scenario

BUILT_IN = {
    "shop": "hocket.shop:DOMAIN",
    "taskgraph": "hocket.taskgraph:DOMAIN",
    "serving": "hocket.serving:DOMAIN",
    "cluster": "hocket.cluster:DOMAIN",
}
PAPERS = "hocket.papers"


def domain_names() -> tuple[str, ...]:
    """The names of all domains, none of them imported: built-in ones first."""
    return tuple(dict.fromkeys((*BUILT_IN, *(point.name for point in _plugged_domains()))))


def domains() -> dict[str, Domain]:
    """All domains by name: built-in ones first, then entry points ``hocket.domains``."""
    return {name: domain(name) for name in domain_names()}


@cache
def domain(name: str) -> Domain:
    """The domain of this name; no other is imported. Raises UnknownName."""
    if name in BUILT_IN:
        found: Domain = resolve(BUILT_IN[name])
        return found
    for point in _plugged_domains():
        if point.name == name:
            plugged: Domain = _plugged(point)
            return plugged
    raise UnknownName("domain", name, domain_names(), "`hocket list domains` shows all.")


@cache
def _plugged_domains() -> tuple[EntryPoint, ...]:
    return tuple(sorted(entry_points(group="hocket.domains"), key=lambda point: point.name))


def refresh() -> None:
    """Look again at what is installed, the next time that anybody asks."""
    for found in (domain, _plugged_domains, _policies_of, _plugged_policies, papers):
        found.cache_clear()


def problem_types() -> dict[str, ProblemType]:
    """All problem types by tag, such as ``shop/job-shop``."""
    return {tag: kind for name in domain_names() for tag, kind in _problems_of(name).items()}


def problem_type(scenario: Scenario | type[Scenario] | str) -> ProblemType:
    """The problem type of a scenario, a scenario class, or a tag. Raises UnknownName."""
    tag = scenario if isinstance(scenario, str) else tag_of(scenario)
    head = tag.partition("/")[0]
    known = _problems_of(head) if head in domain_names() else {}
    if tag not in known:
        raise UnknownName("problem", tag, problem_types(), "`hocket list domains` shows all.")
    return known[tag]


def _problems_of(name: str) -> dict[str, ProblemType]:
    return {f"{name}/{problem.name}": problem for problem in domain(name).problems}


def tag_of(scenario: Scenario | type[Scenario]) -> str:
    """The tag that names the problem of a scenario, such as ``shop/job-shop``."""
    return str(scenario.__struct_config__.tag)


@cache
def _policies_of(domain_name: str) -> dict[str, type[Policy]]:
    package = importlib.import_module(domain(domain_name).policies)
    found: dict[str, type[Policy]] = {}
    for module in _modules(package):
        for kind in getattr(module, "POLICIES", ()):
            if kind.name in found:
                raise UserError(f"two policies are named {kind.name}: rename one of them")
            found[kind.name] = kind
    return found


def policies(domain_name: str | None = None) -> dict[str, type[Policy]]:
    """Policy classes by full name, of one domain or of all, sorted by name.

    Built in are the tuples ``POLICIES`` of the modules in each domain's policies package: a new
    policy is one new file. Packages add theirs with the entry point group ``hocket.policies``,
    whose value is a Policy class.
    """
    found: dict[str, type[Policy]] = {}
    for owner in _chosen(domain_name):
        found |= _policies_of(owner.name)
    for kind in _plugged_policies():
        if domain_name is None or kind.name.partition("/")[0] == domain_name:
            found.setdefault(kind.name, kind)
    return dict(sorted(found.items()))


@cache
def _plugged_policies() -> tuple[type[Policy], ...]:
    points = sorted(entry_points(group="hocket.policies"), key=lambda p: p.name)
    return tuple(_plugged(point) for point in points)


def _plugged(point: EntryPoint) -> Any:
    """What an installed package adds. Raises UserError that names the package's entry point."""
    try:
        return point.load()
    except Exception as error:
        raise UserError(
            f"the plugin {point.name} = {point.value} ({point.group}) cannot be loaded: "
            f"{type(error).__name__}: {error}. Repair or uninstall its package"
        ) from error


def policy_class(name: str) -> type[Policy]:
    """The policy class of a name: ``shop/mdd``, or ``my_rule.py`` or ``my_rule.py:MyRule``.

    Raises UnknownName (with the nearest names), or InputError for a file that is no policy file.
    """
    path, _, attribute = name.partition(":")
    if path.endswith(".py"):
        return _policy_in_file(path, attribute)
    head, _, tail = name.partition("/")
    if not tail:
        same = [known for known in policies() if known.partition("/")[2] == name]
        hint = f"Its full name is {same[0]}." if same else "A full name reads domain/policy."
        raise UnknownName("policy", name, [] if same else policies(), hint)
    domain(head)
    if name not in policies(head):
        raise UnknownName("policy", name, policies(head), "`hocket list policies` shows all.")
    return policies(head)[name]


def _policy_in_file(path: str, attribute: str) -> type[Policy]:
    module = module_in(path)
    own = [v for v in vars(module).values() if getattr(v, "__module__", "") == module.__name__]
    kinds = {v.__name__: v for v in own if isinstance(v, type) and issubclass(v, Policy)}
    told = ", ".join(kinds) or "none"
    if attribute:
        if attribute not in kinds:
            raise UnknownName("policy class", attribute, kinds, f"{path} holds {told}.")
        return _complete(kinds[attribute], path)
    if not kinds:
        raise InputError(path, ["holds no policy: no class that derives from Policy or Rule"])
    if len(kinds) > 1:
        raise InputError(path, [f"holds {len(kinds)} policies ({told}); write {path}:NAME"])
    return _complete(next(iter(kinds.values())), path)


def _complete(kind: type[Policy], path: str) -> type[Policy]:
    """The class itself, if it says what it is called and what it is for."""
    missing = [field for field in ("name", "problems") if not getattr(kind, field)]
    if missing:
        example = {"name": "shop/my-rule", "problems": ("shop/job-shop",)}
        told = [f"{kind.__name__} has no {f}; set one, e.g. {f} = {example[f]!r}" for f in missing]
        raise InputError(path, told)
    return kind


@cache
def papers() -> dict[str, Paper]:
    """All published systems with an experiment, by name: one module of ``hocket.papers`` each."""
    found = [module.PAPER for module in _modules(importlib.import_module(PAPERS))]
    return {paper.name: paper for paper in sorted(found, key=lambda p: p.name)}


def paper(name: str) -> Paper:
    """The paper of this name. Raises UnknownName."""
    if name not in papers():
        raise UnknownName("paper", name, papers(), "`hocket list papers` shows all.")
    return papers()[name]


def generators(domain_name: str | None = None) -> dict[str, type[Generator]]:
    """Generator classes by full name, ``shop/taillard``, of one domain or of all."""
    return {
        f"{owner.name}/{kind.name}": kind
        for owner in _chosen(domain_name)
        if owner.generators
        for kind in resolve(owner.generators)
    }


def generator_class(name: str) -> type[Generator]:
    """The generator class of this name. Raises UnknownName."""
    if name not in generators():
        raise UnknownName("generator", name, generators(), "`hocket generate` alone shows all.")
    return generators()[name]


def formats(domain_name: str | None = None) -> dict[str, Format]:
    """The field's own file formats by name, of one domain or of all."""
    return {
        one.name: one
        for owner in _chosen(domain_name)
        if owner.formats
        for one in resolve(owner.formats)
    }


def scenario_names(domain_name: str | None = None) -> list[str]:
    """Every published instance that needs no file, as ``shop/ta01``, of one domain or of all."""
    return [
        f"{owner.name}/{name}"
        for owner in _chosen(domain_name)
        if owner.names
        for name in resolve(owner.names)()
    ]


def _chosen(domain_name: str | None) -> Iterator[Domain]:
    return map(domain, domain_names() if domain_name is None else (domain_name,))


def named_scenario(name: str) -> Any:
    """The published instance of this name, ``shop/ta41``. Raises UnknownName."""
    head, _, tail = name.partition("/")
    owner = domain(head)
    if not owner.named:
        raise UnknownName("scenario", name, scenario_names())
    return resolve(owner.named)(tail)


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    """The modules of a package, in order of name."""
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda i: i.name):
        yield importlib.import_module(f"{package.__name__}.{info.name}")
