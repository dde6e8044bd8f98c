"""``hocket list``."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from cyclopts import Parameter

from hocket.api import Catalogue
from hocket.cli.output import as_json, say
from hocket.core import registry
from hocket.core.domain import resolve
from hocket.core.errors import UnknownName
from hocket.core.policy import summary

Rows = list[dict[str, str]]

KINDS: tuple[str, ...] = get_args(Catalogue)
OF_A_DOMAIN = ("policies", "generators", "formats", "scenarios")
SERIES = 10  # so many numbered names are told as first and last
HINT = (
    "A full name begins with the domain: serving/vllm-v1. `hocket list policies` says what each "
    "does, `hocket list serving` shows all of a domain."
)


def list_(
    what: Annotated[str | None, Parameter(name="KIND")] = None,
    /,
    *,
    json: Annotated[bool, Parameter(negative="", help="Print one JSON document.")] = False,
) -> None:
    """List domains, policies, scenarios, papers, generators or formats; or all of one domain.

    Without a name, an overview.

    Examples:

        hocket list
        hocket list policies
        hocket list serving
        hocket list scenarios --json
    """
    if what in registry.domain_names():
        found = _of_domain(what)
        if json:
            as_json(found)
        else:
            _show({f"{kind} of {what}": rows for kind, rows in found.items()})
    elif what is None and not json:
        _overview()
    elif what is None:
        as_json({kind: _joined(kind) for kind in KINDS})
    elif what not in KINDS:
        hint = f"There is {', '.join((*KINDS, *registry.domain_names()))}."
        raise UnknownName("list", what, (*KINDS, *registry.domain_names()), hint)
    elif json:
        as_json(_joined(what))
    elif what in OF_A_DOMAIN:
        names = registry.domain_names()
        _show({f"{what} of {name}": rows for name in names if (rows := _entries(what, name))})
    else:
        _show({what: _joined(what)})


def _show(tables_by_title: dict[str, Rows]) -> None:
    from hocket.report import tables

    for title, rows in tables_by_title.items():
        if "for" in rows[0] and len({row["for"] for row in rows}) == 1:
            rows = [{key: row[key] for key in row if key != "for"} for row in rows]
        tables.show(tables.listing(rows, title=title))


def _overview() -> None:
    """Every name there is, on little space."""
    from hocket.report import tables

    tables.show(tables.listing(_joined("domains"), title="domains"))
    for name in registry.domain_names():
        names: dict[str, list[str]] = {}
        for kind, entries in _of_domain(name).items():
            for entry in entries:
                role = entry.get("role")
                label = f"{kind}, {role}" if role else kind
                names.setdefault(label, []).append(entry["name"].removeprefix(f"{name}/"))
        rows = [{"kind": kind, "names": ", ".join(_folded(found))} for kind, found in names.items()]
        tables.show(tables.listing(rows, title=name))
    papers = [{"name": row["name"], "title": row["title"]} for row in _joined("papers")]
    tables.show(tables.listing(papers, title="papers"))
    say(HINT)


def _joined(kind: str) -> Rows:
    """The entries of a kind, of all domains."""
    if kind == "domains":
        return [
            {
                "name": one.name,
                "summary": one.summary,
                "problems": ", ".join(problem.name for problem in one.problems),
            }
            for one in registry.domains().values()
        ]
    if kind == "papers":
        return [
            {"name": one.name, "title": one.title, "policies": ", ".join(one.policies)}
            for one in registry.papers().values()
        ]
    return [row for name in registry.domain_names() for row in _entries(kind, name)]


def _of_domain(name: str) -> dict[str, Rows]:
    """Everything of a domain by kind, and what else its scenarios may name."""
    found = {kind: _entries(kind, name) for kind in OF_A_DOMAIN}
    path = registry.domain(name).catalogue
    more: dict[str, Rows] = resolve(path)() if path else {}
    return {kind: rows for kind, rows in (found | more).items() if rows}


def _entries(kind: str, domain: str) -> Rows:
    if kind == "policies":
        rows = [_policy(name, one) for name, one in registry.policies(domain).items()]
        return sorted(rows, key=lambda row: row["role"])
    if kind == "generators":
        return [
            {"name": name, "summary": summary(one), "source": one.source}
            for name, one in registry.generators(domain).items()
        ]
    if kind == "formats":
        return [
            {
                "name": one.name,
                "summary": one.summary,
                "suffixes": " ".join(one.suffixes),
                "written": "" if one.write is None else "yes",
            }
            for one in registry.formats(domain).values()
        ]
    return [{"name": name} for name in registry.scenario_names(domain)]


def _policy(name: str, kind: Any) -> dict[str, str]:
    return {
        "name": name,
        "role": kind.role,
        "summary": summary(kind),
        "for": ", ".join(kind.problems),
        "source": kind.source,
    }


def _folded(names: list[str]) -> list[str]:
    """Long series of numbered names as ranges: ``ta01 .. ta80``."""
    families: dict[str, list[str]] = {}
    for name in names:
        families.setdefault(name.rstrip("0123456789"), []).append(name)
    return [
        told
        for found in families.values()
        for told in (found if len(found) < SERIES else [f"{found[0]} .. {found[-1]}"])
    ]
