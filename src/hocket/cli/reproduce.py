"""``hocket reproduce``."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from hocket import api
from hocket.cli.files import Json
from hocket.cli.output import as_json, ticking
from hocket.core import registry


def reproduce(
    paper: Annotated[str, Parameter(name="PAPER", help="See `hocket list papers`.")],
    /,
    *,
    full: Annotated[
        bool, Parameter(negative="", help="Published sizes and counts; may take hours.")
    ] = False,
    seed: Annotated[int, Parameter(help="Seed of the generated instances.")] = 0,
    json: Json = False,
) -> None:
    """Run the experiment of a paper: published figure, measured figure, and what that proves.

    A claim that does not hold is a finding, not a failure: the exit code is 0 once the experiment
    has run.

    Examples:

        hocket reproduce eddc-mddc
        hocket reproduce eddc-mddc --full --json
    """
    entry = registry.paper(paper)
    with ticking(not json) as tick:
        claims = api.reproduce(
            paper,
            full=full,
            seed=seed,
            progress=lambda done, total, what: tick(f"{done} of {total}: {what}"),
        )
    if json:
        as_json({"paper": entry.name, "claims": claims})
    else:
        from hocket.report import tables

        tables.show(tables.claims(claims, title=entry.citation))
        for note in entry.notes:
            tables.show(f"Note: {note}")
