"""``hocket run``."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from hocket import api
from hocket.cli.files import Json, Settings
from hocket.cli.output import as_json, say_notes
from hocket.cli.shown import Columns, Everything, Files, Report, Shown, Trace, table, told, write
from hocket.cli.whatif import WhatIf, changed
from hocket.core import registry
from hocket.core.errors import HocketError, RunError
from hocket.core.fields import with_fields
from hocket.core.plugins import crash
from hocket.core.policy import spec
from hocket.core.run import run as run_once

Named = Annotated[
    str, Parameter(name="SCENARIO", allow_leading_hyphen=True, help="File, - or name (shop/ta41).")
]


def run(
    scenario: Named,
    /,
    *,
    policy: Annotated[str | None, Parameter(help="Name, policy file, or my_rule.py.")] = None,
    settings: Settings = (),
    seed: Annotated[int, Parameter(help="Seed of all that is random.")] = 0,
    report: Report = None,
    trace: Trace = None,
    timeline: Columns = None,
    everything: Everything = False,
    what_if: WhatIf | None = None,
    json: Json = False,
) -> int:
    """Simulate one policy on one scenario: a file, or a name such as shop/ta41.

    Exit code 1 if the run failed, or its schedule did not pass the independent checker.

    Examples:

        hocket run shop/ta01 --policy shop/mwkr
        hocket run my-shop.yaml --policy shop/atc --set k=3 --report run.html --trace run.json
        hocket run my-shop.yaml --policy my_rule.py --json
    """
    world = changed(api.load(scenario), what_if)
    say_notes(world)
    chosen = api.default_policies(world)[0] if policy is None else api.load_policy(policy)
    chosen = with_fields(chosen, settings)
    try:
        done = run_once(world, chosen, seed)
    except HocketError:
        raise
    except Exception as error:
        raise RunError(f"{chosen}: {crash(error)}") from error
    violations = registry.problem_type(world).get("check")(world, done.timeline)
    shown = Shown(
        scenario=world,
        policy=str(chosen),
        timeline=done.timeline,
        metrics=done.metrics,
        violations=violations,
        seed=seed,
    )
    wanted = Files(report=report, trace=trace, timeline=timeline)
    write(shown, wanted)
    if json:
        as_json(
            {
                "scenario": world.name,
                "policy": spec(chosen),
                "seed": seed,
                "metrics": done.metrics,
                "seconds": done.seconds,
            }
        )
    else:
        table(shown, f"{world.name}: {chosen}, seed {seed}", everything, wanted)
    return told(shown)
