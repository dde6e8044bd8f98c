"""Write the pages of docs/reference that follow from the code.

``python tools/reference.py`` writes them, with ``--check`` it only says which are out of date.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec
from cyclopts import Parameter

import hocket
from hocket import api
from hocket.cli.app import make_app
from hocket.core import registry
from hocket.core.domain import resolve
from hocket.core.fields import with_fields
from hocket.core.policy import Policy
from hocket.core.schema import schema

if TYPE_CHECKING:
    from tools import markdown
else:  # as a script it finds what lies beside it
    import markdown

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
MADE = "<!-- Made by tools/reference.py from the code: change that, and run `make reference`. -->"


def policies() -> Iterator[str]:
    """Every policy: what it does, what it is made for, its source and its fields."""
    yield "# Policies"
    yield (
        "What `hocket list policies` lists, with all fields. A field is set by `--set k=3` on the "
        'command line and by `hocket.load_policy("shop/atc", k=3)` in Python.'
    )
    families: dict[str, list[type[Policy]]] = {}
    for kind in registry.policies().values():
        families.setdefault(kind.__module__, []).append(kind)
    domains = {module: kinds[0].name.partition("/")[0] for module, kinds in families.items()}
    for module in sorted(families, key=lambda module: (domains[module], module)):
        title, _, rest = _doc(importlib.import_module(module)).partition("\n")
        head, _, told = title.rstrip(".").partition(": ")
        yield f"## {head} ({domains[module]})"
        yield f"{markdown.sentence(told)}." if told else ""
        yield rest.strip()
        yield from _shared(families[module])
        for kind in sorted(families[module], key=lambda kind: kind.name):
            yield f"### {kind.name}"
            yield _doc(kind)
            yield f"For {_and(kind.problems)}." + (f" Role: {kind.role}." if kind.role else "")
            if kind.source:
                yield f"Source: {kind.source.rstrip('.')}."
            yield _fields(kind)


def _shared(kinds: list[type[Policy]]) -> Iterator[str]:
    """What the policies of a family inherit: the docstrings of bases that bring fields."""
    bases = {
        base: None for kind in kinds for base in kind.__mro__[1:] if not vars(base).get("name")
    }
    for base in bases:
        if issubclass(base, Policy) and base is not Policy and base.__struct_fields__:
            yield _doc(base).partition("\n\n")[2]


def generators() -> Iterator[str]:
    """Every generator with its fields, and the names of the instances that need no file."""
    yield "# Generators and published instances"
    yield (
        "`hocket generate shop/taillard --set jobs=20 --seed 7 -o shop.yaml` draws a scenario; in "
        'Python it is `hocket.generate("shop/taillard", jobs=20, seed=7)`. The same seed draws '
        "the same scenario for ever."
    )
    for name, kind in registry.generators().items():
        yield f"## {name}"
        yield _doc(kind)
        yield f"Source: {kind.source.rstrip('.')}."
        yield _fields(kind)
    yield "## Published instances that need no file"
    yield (
        "Of `shop` and of `serving/llumnix-...` the authors published the generator and the seeds: "
        "they are made afresh, bit by bit as published. The other ones of `serving` are drawn from "
        "published distributions with a seed of ours. Of `taskgraph` they are the graphs, times, "
        "bandwidths and job mixes that come with DS3 and gym_ds3, the first of them the example of "
        "Topcuoglu, Hariri and Wu (2002), entered afresh as facts; jobs arrive by the seed of a "
        "run."
    )
    series: dict[str, list[str]] = {}
    for name in registry.scenario_names():
        series.setdefault(name.rstrip("0123456789"), []).append(name)
    yield "\n".join(
        f"- `{names[0]}`" + (f" to `{names[-1]}`" if len(names) > 1 else "")
        for names in series.values()
    )


def scenarios() -> Iterator[str]:
    """The keys of scenario files, problem by problem, from their JSON Schemas."""
    yield "# Scenario files"
    yield (
        "A scenario is a YAML, TOML or JSON file whose key `problem` says what it is. Times are "
        "whole numbers of ticks; where `time_unit` is set, text with a unit such as `90 s` or "
        "`1.5 h` works too and must come out whole. `hocket check file.yaml` names every mistake "
        "with its line, and `hocket schema shop/job-shop` prints the JSON Schema for an editor."
    )
    schemas = {tag: schema(tag) for tag in registry.problem_types()}
    titles = markdown.titles(schemas)
    users: dict[str, set[str]] = {}
    parts: dict[str, list[str]] = {}
    for tag, found in schemas.items():
        names = {name: titles[tag, name] for name in found["$defs"]}
        own = found["$defs"].pop(found["$ref"].rpartition("/")[2])
        yield f"## {tag}"
        yield from markdown.part(own, names, found["$defs"], skip=("$schema", "problem"))
        yield BESIDE.get(tag, "")
        for name, part in found["$defs"].items():
            parts[names[name]] = list(markdown.part(part, names, found["$defs"]))
            users.setdefault(names[name], set()).add(tag.partition("/")[0])
    domains = {title: " and ".join(sorted(users[title])) for title in sorted(parts)}
    for domain in sorted(set(domains.values()), key=lambda domain: (" and " in domain, domain)):
        yield f"## Parts of {domain}"
        for title in (title for title in domains if domains[title] == domain):
            yield f"### {title}"
            yield from parts[title]


BESIDE = {
    "serving/cluster": "In a file `workload` may also name a request log, `{kind: log, path: "
    "requests.csv}` with `first`, `count` and `rate_scale`; and `cost` a calibrated model, `{kind: "
    "file, path: model.yaml}`, or a folder of operator times, `{kind: profile, path: tp1}`. They "
    "are read when the file is, and put in their place."
}
"""What files may say beyond the schema."""


def commands() -> Iterator[str]:
    """Every command with its options, from the functions that carry it out."""
    yield "# Command line"
    yield (
        "The verbs of `import hocket`, as commands. All print a table, or with `--json` one JSON "
        "document on standard output; remarks and progress go to standard error. Exit codes: 0 "
        "well, 1 a failed check or run, 2 a mistake in what was asked, 130 interrupted."
    )
    for name, function in sorted(_commands(make_app("live"))):
        text, _, examples = _doc(function).partition("\nExamples:\n")
        yield f"## hocket {name}"
        yield text.strip()
        yield f"```console\n{_prompted(examples)}\n```"
        yield _options(function)


def _commands(app: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """The commands of a program by what is typed, those of its groups too."""
    for name in app:
        if name.startswith("-"):
            continue
        function = app[name].default_command
        if function is None:
            yield from _commands(app[name], f"{before}{name} ")
        else:
            yield before + name, function


def python() -> Iterator[str]:
    """The verbs with their signatures, and the types that one meets."""
    yield "# Python"
    yield (
        "The verbs live in `hocket` itself. Where they take a scenario or a policy, a name, a "
        "path, a mapping or an object will do."
    )
    for name in hocket.__all__:
        yield f"## hocket.{name}"
        yield _signature(f"hocket.{name}", getattr(api, name))
        yield _doc(getattr(api, name))
    yield "## Types"
    for path in TYPES:
        module, _, name = path.rpartition(".")
        kind = getattr(importlib.import_module(module), name)
        yield f"### {name}"
        yield f"`from {module} import {name}`"
        yield _doc(kind)
        yield _members(kind)


def metrics() -> Iterator[str]:
    """What the metrics of each problem mean, of the problems that say so."""
    yield "# Metrics"
    yield (
        "What a run of a domain is measured by, where the name does not say it all. Every metric "
        "is a key of `Run.metrics` and of `--json`; tables on the terminal show those with a star, "
        "and `hocket run --all` all of them. Without an SLO every request that is answered counts "
        "as within it."
    )
    for tag, problem in registry.problem_types().items():
        if not problem.measures:
            continue
        yield f"## {tag}"
        rows = [
            (
                f"`{name}`" + " \\*" * told.shown,
                told.unit,
                told.better,
                markdown.sentence(told.meaning),
            )
            for name, told in problem.get("measures").items()
        ]
        yield markdown.table(("metric", "unit", "better", "meaning"), rows)


def catalogue() -> Iterator[str]:
    """What scenarios may name beside policies and instances, such as models and GPUs."""
    yield "# Models and GPUs"
    yield (
        "What `model` and `gpu` of a pool may be, as `hocket list serving` lists them. Case, "
        "spaces and hyphens do not matter, and the repository of a model on Hugging Face is as "
        "good as its name. Shapes are those of its configuration file there, two bytes to the "
        "number. Another model or GPU is a few lines in `src/hocket/serving/catalogue`."
    )
    for domain in registry.domains().values():
        listed = resolve(domain.catalogue)() if domain.catalogue else {}
        for kind, entries in listed.items():
            yield f"## {markdown.sentence(kind)} of {domain.name}"
            rows = [(f"`{entry['name']}`", *list(entry.values())[1:]) for entry in entries]
            yield markdown.table(tuple(entries[0]), rows)


def _signature(name: str, function: Any) -> str:
    """How a function is called, a parameter to the line."""
    signature = inspect.signature(function)
    lines, starred = [], False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            lines.append("    *,")
            starred = True
        shown = parameter.replace(annotation=inspect.Parameter.empty)
        name_, equals, default = str(shown).partition("=")
        lines.append(f"    {name_}: {parameter.annotation}{equals and ' = '}{default},")
    result = str(signature.return_annotation)
    return "\n".join(["```text", f"{name}(", *lines, f") -> {result}", "```"])


def _members(kind: type) -> str:
    """The public methods and properties of a type, as a list."""
    own = [(name, thing) for name, thing in vars(kind).items() if not name.startswith("_")]
    told = []
    if issubclass(kind, msgspec.Struct) and not issubclass(kind, Policy):
        told = [f"- `{name}`: `{type_}`" for name, type_ in kind.__annotations__.items()]
    for name, thing in own:
        plain = getattr(thing, "__func__", thing)
        if isinstance(thing, property) and thing.__doc__:
            told.append(f"- `{name}`: {_doc(thing)}")
        elif inspect.isfunction(plain) and plain.__doc__:
            told.append(f"- `{name}{_call(plain)}`: {_doc(plain)}")
    return "\n".join(text.replace("\n\n", " ").replace("\n", " ") for text in told)


def _call(function: Any) -> str:
    names = [n for n in inspect.signature(function).parameters if n not in ("self", "cls")]
    return f"({', '.join(names)})"


TYPES = (
    "hocket.core.run.Run",
    "hocket.core.timeline.Timeline",
    "hocket.core.timeline.Span",
    "hocket.core.timeline.Tally",
    "hocket.core.solution.Solution",
    "hocket.core.study.Comparison",
    "hocket.core.study.Row",
    "hocket.core.study.Difference",
    "hocket.core.policy.Policy",
    "hocket.core.streams.Streams",
    "hocket.shop.dispatch.ShopView",
    "hocket.shop.dispatch.Start",
    "hocket.shop.model.arrays.ShopArrays",
    "hocket.shop.simulate.project.ProjectView",
    "hocket.shop.simulate.project.Begin",
    "hocket.serving.roles.batching.Request",
    "hocket.serving.roles.batching.Limits",
    "hocket.serving.roles.batching.ReplicaView",
    "hocket.serving.roles.batching.Batcher",
    "hocket.serving.roles.cluster.Load",
    "hocket.serving.roles.cluster.ClusterView",
    "hocket.serving.roles.cluster.Dispatcher",
    "hocket.serving.roles.cluster.Rescheduler",
    "hocket.serving.roles.cluster.Copying",
    "hocket.serving.roles.cluster.Scaler",
    "hocket.serving.cost.protocol.Cost",
    "hocket.taskgraph.roles.View",
    "hocket.taskgraph.roles.Task",
    "hocket.taskgraph.roles.Job",
    "hocket.taskgraph.roles.Core",
    "hocket.taskgraph.roles.Assign",
    "hocket.taskgraph.model.graph.Graph",
    "hocket.taskgraph.model.graph.Platform",
    "hocket.learn.asking.Question",
    "hocket.learn.asking.Asking",
    "hocket.learn.asking.Learned",
    "hocket.learn.batch.Batch",
    "hocket.learn.batch.Link",
    "hocket.learn.network.Network",
    "hocket.learn.network.Scores",
    "hocket.learn.network.Tensors",
    "hocket.learn.trainers.reinforce.Reinforce",
    "hocket.learn.trainers.ppo.PPO",
    "hocket.learn.trainers.imitate.Imitate",
    "hocket.learn.trainers.selflabel.SelfLabel",
    "hocket.learn.loop.Trained",
    "hocket.learn.env.Environment",
    "hocket.learn.models.Modelled",
    "hocket.core.kernel.Kernel",
    "hocket.core.kernel.Phase",
)

PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "policies.md": policies,
    "generators.md": generators,
    "scenarios.md": scenarios,
    "commands.md": commands,
    "python.md": python,
    "metrics.md": metrics,
    "catalogue.md": catalogue,
}


def page(make: Callable[[], Iterator[str]]) -> str:
    """The text of one page."""
    return "\n\n".join([MADE, *filter(None, make())]) + "\n"


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` compare them; the exit code."""
    stale = []
    for name, make in PAGES.items():
        path, text = FOLDER / name, page(make)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in arguments:
                FOLDER.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if stale and "--check" in arguments:
        print(f"out of date, run `make reference`: {', '.join(stale)}", file=sys.stderr)
        return 1
    print(f"written: {', '.join(stale) or 'nothing, all were up to date'}")
    return 0


def _doc(thing: Any) -> str:
    """A docstring as Markdown: examples become code, and nothing is taken for HTML."""
    parts = inspect.cleandoc(thing.__doc__ or "").split("\n\n")
    return "\n\n".join(
        f"```text\n{part}\n```" if part.startswith(">>>") else part.replace("<", "&lt;")
        for part in parts
    )


def _and(names: tuple[str, ...]) -> str:
    return " and ".join(f"`{name}`" for name in names)


def _fields(kind: type[msgspec.Struct]) -> str:
    given = msgspec.to_builtins(with_fields(kind, ()))
    hints = get_type_hints(kind, include_extras=True)
    rows = [
        (f"`{name}`", _typed(hints[name]), f"`{markdown.plain(given[name])}`")
        for name in kind.__struct_fields__
    ]
    return markdown.table(("field", "type", "default"), rows)


def _typed(hint: Any) -> str:
    """A type as people say it."""
    if get_origin(hint) is Annotated:
        base, *metas = get_args(hint)
        limits = [
            text for meta in metas if isinstance(meta, msgspec.Meta) for text in _limits(meta)
        ]
        return ", ".join([_typed(base), *limits])
    if get_origin(hint) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(hint))
    if get_origin(hint) in (UnionType, Union):
        return " or ".join(_typed(arm) for arm in get_args(hint))
    if get_origin(hint) is tuple:
        return f"list of {_typed(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        values = get_args(hint)[1]
        return "mapping" if values is Any else f"mapping to {_typed(values)}"
    words = {
        int: "whole number",
        float: "number",
        str: "text",
        bool: "true or false",
        NoneType: "none",
    }
    return words.get(hint) or str(getattr(hint, "__name__", hint))


def _limits(meta: msgspec.Meta) -> Iterator[str]:
    for sign, bound in (("≥", meta.ge), (">", meta.gt), ("≤", meta.le), ("below", meta.lt)):
        if bound is not None:
            yield f"{sign} {bound:g}"


def _prompted(examples: str) -> str:
    lines = [line.strip() for line in examples.strip().splitlines()]
    return "\n".join(f"$ {line}" for line in lines if line)


def _options(function: Any) -> str:
    return markdown.table(("option", "", "default"), list(_rows(function)))


def _rows(function: Any) -> Iterator[tuple[str, str, str]]:
    """Option, help and default of every parameter; those of a group in its place."""
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        group = next((k for k in get_args(hints[name]) if is_dataclass(k)), None)
        if group is not None:
            yield from _rows(group)
            continue
        told = [a for a in get_args(hints[name])[1:] if isinstance(a, Parameter)]
        named = told[0].name if told and told[0].name else ()
        option = " ".join(f"`{n}`" for n in ([named] if isinstance(named, str) else named))
        if parameter.kind is parameter.KEYWORD_ONLY:
            option = option or f"`--{name.replace('_', '-')}`"
        else:
            option = option or f"`{name.upper()}`"
        negative = told[0].negative if told else None
        if negative is None and parameter.default is True:
            negative = f"--no-{name.replace('_', '-')}"
        for other in [negative] if isinstance(negative, str) else negative or ():
            option += f" `{other}`" if other else ""
        default = parameter.default
        known = default not in (inspect.Parameter.empty, None, (), "", False)
        text = str((told and told[0].help) or "")
        yield option, text, f"`{markdown.plain(default)}`" if known else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
