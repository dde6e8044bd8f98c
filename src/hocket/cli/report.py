"""``hocket report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from hocket.cli.files import Json
from hocket.cli.output import as_json, say, say_notes
from hocket.cli.shown import (
    Columns,
    Everything,
    Files,
    Report,
    Shown,
    Trace,
    place,
    table,
    told,
    write,
)
from hocket.core.errors import UserError

if TYPE_CHECKING:
    from hocket.serving.live.recording import Recording


def report(
    record: Annotated[Path, Parameter(name="RECORD", help="What a live run left: run.jsonl.")],
    /,
    *,
    report: Report = None,
    trace: Trace = None,
    timeline: Columns = None,
    scenario: Annotated[
        Path | None,
        Parameter(
            validator=place, help="Write the requests and the engine as a scenario: .yaml, .json."
        ),
    ] = None,
    everything: Everything = False,
    json: Json = False,
) -> int:
    """Show the record of a live run like a simulated one.

    The record is what the scheduler inside vLLM writes, or `hocket live vllm`. Requests that were
    under way at its end are counted, and treated as given up then. Exit code 1 if the independent
    checker finds something that cannot have happened.

    Examples:

        hocket report run.jsonl
        hocket report run.jsonl --report live.html --trace live.perfetto.json
        hocket report run.jsonl --scenario requests.yaml
    """
    from hocket.core import registry
    from hocket.core.files import stem
    from hocket.serving.live import recording
    from hocket.serving.live.scenario import scenario as scenario_of
    from hocket.serving.live.timeline import timeline as timeline_of

    found = recording.load(record)
    world = scenario_of(found, name=stem(str(record)))
    problem = registry.problem_type(world)
    happened = timeline_of(found, world)
    shown = Shown(
        scenario=world,
        policy=_policy(found),
        timeline=happened,
        metrics=problem.get("metrics")(world, happened),
        violations=problem.get("check")(world, happened),
        seed=found.began.seed,
    )
    wanted = Files(report=report, trace=trace, timeline=timeline, scenario=scenario)
    write(shown, wanted)
    say_notes(world)
    if json:
        as_json(_document(found, shown))
    else:
        table(shown, f"{world.name}: {_engine(found)}, {shown.policy}", everything, wanted)
    return told(shown)


def _policy(found: Recording) -> str:
    """The policy in a few words; as the record has it where it cannot be loaded here."""
    from hocket.core.load import load_policy

    asked = found.began.policy
    if not asked:
        return "its own scheduler"
    try:
        return str(load_policy(asked))
    except UserError as error:
        say(f"note: the record's policy cannot be loaded here: {error}")
        return str(asked.get("policy", "an unknown policy"))


def _engine(found: Recording) -> str:
    return found.began.engine or "an engine"


def _document(found: Recording, shown: Shown) -> dict[str, Any]:
    began = found.began
    return {
        "scenario": shown.scenario.name,
        "engine": began.engine,
        "model": began.model,
        "policy": began.policy,
        "seed": began.seed,
        "metrics": shown.metrics,
        "cut_off": len(found.cut_off),
        "violations": [str(violation) for violation in shown.violations],
    }
