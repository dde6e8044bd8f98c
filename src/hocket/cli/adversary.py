"""``hocket compare --adversarial``: the scenario on which one policy loses most to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hocket import api
from hocket.cli.output import as_json, command_line, facts, figures, measures, say, ticking
from hocket.cli.settings import with_settings
from hocket.core.adversary import Worst
from hocket.core.errors import UserError
from hocket.core.fields import with_fields
from hocket.core.policy import Policy
from hocket.core.run import run
from hocket.core.save import plain, save
from hocket.core.writing import require_place


def hunt(
    names: tuple[str, str],
    scenarios: tuple[str, ...],
    *,
    settings: tuple[str, ...],
    moves: int,
    seed: int,
    worst: Path | None,
    report: Path | None,
    json: bool,
) -> int:
    """Search, print what was found, and write it where asked; the exit code."""
    if len(scenarios) > 1:
        raise UserError("--adversarial starts from one scenario, or from random ones if none")
    for path in (worst, report):
        if path is not None:
            require_place(path)
    start = api.load(scenarios[0]) if scenarios else None
    loser, winner = with_settings(
        [with_fields(api.load_policy(name), ()) for name in names], settings
    )
    with ticking(not json) as tick:
        found = api.adversarial(
            loser,
            winner,
            scenario=start,
            moves=moves,
            seed=seed,
            progress=lambda done, of, ratio: tick(
                f"{done} of {of} scenarios, {loser.name} / {winner.name} up to {ratio:.3f}"
            ),
        )
    if worst is not None:
        save(found.scenario, worst)
    if report is not None:
        _write_report(report, found, loser, winner, seed)
    if json:
        as_json(_document(found, loser, winner, seed))
    else:
        _show(found, loser, winner)
        for path in (worst, report):
            if path is not None:
                say(f"wrote {path}")
    return 130 if found.interrupted else 0


def _show(found: Worst, loser: Policy, winner: Policy) -> None:
    from hocket.report import tables

    rows = [
        {"policy": str(loser), found.objective: f"{found.loses:g}"},
        {"policy": str(winner), found.objective: f"{found.wins:g}"},
    ]
    title = f"{loser.name} needs {found.ratio:.3f} times what {winner.name} needs"
    tables.show(tables.listing(rows, title=f"{title}, after {found.moves} scenarios"))


def _document(found: Worst, loser: Policy, winner: Policy, seed: int) -> dict[str, Any]:
    return {
        "policies": [str(loser), str(winner)],
        "objective": found.objective,
        "values": [found.loses, found.wins],
        "ratio": found.ratio,
        "moves": found.moves,
        "seed": seed,
        "interrupted": found.interrupted,
        "log": [{"moves": moves, "ratio": ratio} for moves, ratio in found.log],
        "scenario": plain(found.scenario),
    }


def _write_report(path: Path, found: Worst, loser: Policy, winner: Policy, seed: int) -> None:
    from hocket.report import document, html

    runs = [(str(policy), run(found.scenario, policy, seed)) for policy in (loser, winner)]
    timelines = [(label, one.timeline) for label, one in runs]
    page = document.from_compare(
        rows=(),
        differences=(),
        failures=(),
        better={},
        timelines=timelines,
        metrics={label: one.metrics for label, one in runs},
        due={},
        command=command_line(),
        seed=seed,
        facts=facts(found.scenario),
        figures=figures(found.scenario, timelines),
        measures=measures(found.scenario),
    )
    html.write(page, path)
