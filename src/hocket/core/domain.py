"""What the registry knows of a domain: names and import paths, resolved when first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import msgspec

from hocket.core.errors import InputError, Problem
from hocket.core.scenario import Scenario


class Measure(NamedTuple):
    """What a metric is. `better` is empty where neither way is good in itself.

    `shown` ones stand where there is no room for all.
    """

    unit: str
    better: Literal["lower", "higher", ""]
    meaning: str
    shown: bool = False


class ProblemType(msgspec.Struct, frozen=True, kw_only=True):
    """One problem of a domain. Import paths read ``package.module:attribute``.

    - `scenario`: the Scenario subclass; its msgspec tag is ``domain/name``
    - `simulate(scenario, policy, *, seed=0, kernel=None) -> Timeline`
    - `check(scenario, timeline) -> list[Violation]`, sharing no code with `simulate`
    - `metrics(scenario, timeline) -> dict[str, float]`; every objective is one of the keys
    - `plan(timeline) -> Policy`: the policy that follows a schedule
    - `script(scenario, policy) -> str`: a shell script that does to the real system what such a
      policy does to the simulated one
    - `edits`: a mapping of names to ``(scenario, text) -> scenario``, the questions of the kind
      "what if" that commands ask with ``--NAME TEXT``
    - `near`: how scenarios can be changed a little, a `hocket.core.adversary.Neighbourhood`; a
      module will do
    - `asks`: the policy class whose questions an environment puts where none is named, a
      `hocket.learn.asking.Asking`
    - `measures`: a mapping of metrics to what they mean (`Measure`), where units are not plain
    - `due(scenario) -> dict[str, int]`: due dates by group of the timeline, for pictures
    - `figures(scenario, runs) -> tuple[Figure, ...]`: pictures of a report beside the Gantt chart,
      of `runs`, pairs of a label and a timeline
    - `solve(scenario, objective, *, method, time_limit, seed, workers, progress, stop) -> Solution`
    - `methods`: what `method` may be; "auto" lets the domain choose
    - `solves`: what `solve` minimises, if it is not the `objectives` but something that is no
      figure of one run, and `maximises`: what else it maximises. The first is the default
    - `spreads`: whether `solve` also takes `on`, as `hocket.core.pool.spread` does
    - `evidence(solution) -> tuple[Figure, ...]`: pictures of what a solver looked at
    """

    name: str
    summary: str
    scenario: str
    simulate: str
    check: str
    metrics: str
    objectives: tuple[str, ...]
    policies: tuple[str, ...]  # what `compare` runs when none is named
    solve: str = ""
    methods: tuple[str, ...] = ("auto",)
    solves: tuple[str, ...] = ()
    maximises: tuple[str, ...] = ()
    spreads: bool = False
    evidence: str = ""
    measures: str = ""
    due: str = ""
    figures: str = ""
    plan: str = ""
    script: str = ""
    edits: str = ""
    near: str = ""
    asks: str = ""

    def get(self, room: str) -> Any:
        """The object behind one of the import paths, e.g. ``get("simulate")``."""
        return resolve(getattr(self, room))


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """A domain: its problems, and where its policies, formats, generators and names live.

    - `policies`: the package whose modules each hold a tuple ``POLICIES`` of Policy classes
    - `formats`: path of a tuple of Format
    - `generators`: path of a tuple of Generator classes
    - `names` and `named`: paths of ``names() -> list[str]`` and ``named(name) -> Scenario``, the
      published instances that need no file, such as ``ta41``
    - `catalogue`: path of ``catalogue() -> dict[str, list[dict[str, str]]]``, what scenarios may
      name beside those (models, machines), by kind; each entry has a `name`
    """

    name: str
    summary: str
    problems: tuple[ProblemType, ...]
    policies: str
    formats: str = ""
    generators: str = ""
    names: str = ""
    named: str = ""
    catalogue: str = ""


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """One of the field's own file formats.

    `sniff(name, head)` says whether a file of this name and start is in this format; `head` has
    up to 4 KiB of whole lines. `read(text, name)` raises InputError, with lines where it can.
    `write(scenario)` is None for formats that are only read. `comment` opens lines in which it says
    what the format cannot hold; they need not survive reading. A `part` of a scenario is only read
    where a structured file names it.

    What is no text that fits in memory (a folder, a packed or a huge file) is read by
    `stream(path)` instead, if `claims(path, head)` says that it is in this format; `head` is the
    first 4 KiB, empty for a folder.
    """

    name: str
    summary: str
    suffixes: tuple[str, ...]
    sniff: Callable[[str, str], bool]
    read: Callable[[str, str], Scenario]
    write: Callable[[Any], str] | None = None
    comment: str = ""
    part: bool = False
    claims: Callable[[Path, bytes], bool] | None = None
    stream: Callable[[Path], Scenario] | None = None


class Generator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A published workload generator. Its fields are its parameters; `make` draws one scenario.

    `drawn` is False where all chance is left to the run: then every seed makes the same scenario.
    """

    name: ClassVar[str] = ""
    source: ClassVar[str] = ""
    drawn: ClassVar[bool] = True

    def make(self, seed: int = 0) -> Scenario:
        """The scenario of this seed; the same seed gives the same scenario for ever."""
        raise NotImplementedError(f"{type(self).__name__} has no make(seed)")


def checked(generator: Generator, domain: str) -> None:
    """Check the fields of a generator that was made in Python as if it had come from a file.

    Raises InputError naming the generator and every wrong field.
    """
    problems = []
    for field in msgspec.structs.fields(generator):
        try:
            msgspec.convert(getattr(generator, field.name), field.type)
        except msgspec.ValidationError as error:
            problems.append(Problem(field.name, str(error)))
    if problems:
        raise InputError(f"{domain}/{generator.name}", problems)


def resolve(path: str) -> Any:
    """Import what is behind ``package.module:attribute``, ``package.module:Class.method``, or the
    module ``package.module`` itself."""
    name, _, attribute = path.partition(":")
    module = importlib.import_module(name)
    return attrgetter(attribute)(module) if attribute else module
