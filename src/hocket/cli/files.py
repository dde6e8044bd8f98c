"""``hocket check``, ``schema``, ``convert`` and ``generate``: what has to do with files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hocket import api
from hocket.cli.output import as_json, say, say_notes
from hocket.core import registry
from hocket.core.fields import with_fields
from hocket.core.load import examine
from hocket.core.save import dumps, save

Json = Annotated[bool, Parameter(negative="", help="Print one JSON document.")]
Settings = Annotated[
    tuple[str, ...],
    Parameter(name="--set", negative="", help="A parameter, as field=value; may be given again."),
]


def check(
    files: Annotated[tuple[str, ...], Parameter(name="FILE", required=True)],
    /,
    *,
    json: Json = False,
) -> int:
    """Find every problem of scenario files, with path and line. Exit code 1 if there are any.

    Examples:

        hocket check my-shop.yaml
        hocket check instances/*.jsp --json
    """
    found = {name: examine(name) for name in files}
    if json:
        as_json([{"file": name, "problems": problems} for name, (_, problems) in found.items()])
    for name, (scenario, problems) in found.items():
        if not json:
            print(f"{name}: ok" if not problems else f"{name}:")
            for problem in problems:
                print(f"  {problem}")
        if scenario is not None:
            say_notes(scenario)
    return 1 if any(problems for _, problems in found.values()) else 0


def schema(
    problem: Annotated[str, Parameter(name="PROBLEM", help="Such as shop/job-shop.")], /
) -> None:
    """Print the JSON Schema of a problem's files, for editors and validators.

    Examples:

        hocket schema shop/job-shop > job-shop.schema.json
    """
    from hocket.core.schema import schema as schema_of

    as_json(schema_of(problem))


def convert(
    scenario: Annotated[str, Parameter(name="SCENARIO", help="A file, or a name.")],
    output: Annotated[Path, Parameter(name="FILE", help="To write; its suffix says what.")],
    /,
) -> None:
    """Write a scenario in another format: .yaml, .json, .toml, or a suffix of its domain's formats.

    Of the shop .jsp, .fjs, .csv, .sm and .mm are written, of serving .csv and .jsonl (the requests
    alone), of task graphs .ds3, .soc (processors alone), .job (jobs alone), .dot and .wfcommons, of
    clusters of pods .k8s (a List for kubectl).

    Examples:

        hocket convert shop/ta01 ta01.jsp
        hocket convert jobs.csv jobs.yaml
        hocket convert azure.csv requests.jsonl
        hocket convert taskgraph/canonical canonical.dot
        hocket convert soc.yaml soc.ds3
        hocket convert now.json cluster.yaml
        hocket convert cluster.yaml pods.k8s
    """
    found = api.load(scenario)
    say_notes(found)
    save(found, output)
    say(f"wrote {output}")


def generate(
    generator: Annotated[str | None, Parameter(name="GENERATOR")] = None,
    /,
    *,
    settings: Settings = (),
    seed: Annotated[int, Parameter(help="The same seed gives the same scenario.")] = 0,
    output: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], help="File to write, by suffix (.yaml, .fjs)."),
    ] = None,
    json: Json = False,
) -> None:
    """Draw a scenario from a published generator; without a name, list the generators.

    Examples:

        hocket generate shop/taillard --set jobs=20 --set machines=5 --seed 7 -o shop.yaml
        hocket generate shop/flexible > shop.yaml
    """
    if generator is None:
        from hocket.cli.catalogue import list_

        list_("generators", json=json)
        return
    kind = registry.generator_class(generator)
    scenario = with_fields(kind, settings).make(seed)
    if output is not None:
        save(scenario, output)
        say(f"wrote {output}")
    else:
        sys.stdout.write(dumps(scenario, "json" if json else "yaml"))
