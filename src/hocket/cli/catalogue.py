"""``hocket list``."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from hocket.api import Catalogue
from hocket.cli.output import as_json
from hocket.core import registry
from hocket.core.policy import summary


def list_(
    what: Annotated[Catalogue | None, Parameter(name="KIND")] = None,
    /,
    *,
    json: Annotated[bool, Parameter(negative="", help="Print one JSON document.")] = False,
) -> None:
    """List domains, policies, scenarios, papers, generators or file formats; all without a name.

    Examples:

        hocket list
        hocket list policies
        hocket list scenarios --json
    """
    kinds: tuple[Catalogue, ...] = (
        (what,) if what else ("domains", "policies", "generators", "formats", "scenarios", "papers")
    )
    found = {kind: _entries(kind) for kind in kinds}
    if json:
        as_json(found[what] if what else found)
        return
    from hocket.report import tables

    for kind, entries in found.items():
        if kind == "scenarios" and what is None:
            entries = _folded(entries)
        tables.show(tables.listing(entries, title=kind))


def _entries(kind: Catalogue) -> list[dict[str, str]]:
    if kind == "domains":
        rows = [
            {
                "name": d.name,
                "summary": d.summary,
                "problems": ", ".join(p.name for p in d.problems),
            }
            for d in registry.domains().values()
        ]
    elif kind == "policies":
        rows = [
            {"name": name, "summary": summary(p), "for": ", ".join(p.problems), "source": p.source}
            for name, p in registry.policies().items()
        ]
    elif kind == "generators":
        rows = [
            {"name": name, "summary": summary(g), "source": g.source}
            for name, g in registry.generators().items()
        ]
    elif kind == "formats":
        rows = [
            {"name": f.name, "summary": f.summary, "suffixes": " ".join(f.suffixes)}
            for f in registry.formats().values()
        ]
    elif kind == "papers":
        rows = [
            {"name": p.name, "title": p.title, "policies": ", ".join(p.policies)}
            for p in registry.papers().values()
        ]
    else:
        rows = [{"name": name} for name in registry.scenario_names()]
    return rows


def _folded(entries: list[dict[str, str]]) -> list[dict[str, str]]:
    """Numbered names as ranges: ``shop/ta01 .. shop/ta80``."""
    families: dict[str, list[str]] = {}
    for entry in entries:
        families.setdefault(entry["name"].rstrip("0123456789"), []).append(entry["name"])
    return [
        {"name": names[0] if len(names) == 1 else f"{names[0]} .. {names[-1]}"}
        for names in families.values()
    ]
