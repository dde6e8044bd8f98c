"""``hocket live check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from hocket import api
from hocket.cli.files import Json, Settings
from hocket.cli.output import Ticker, as_json, say
from hocket.core.errors import UserError
from hocket.core.fields import with_fields

Cases = Annotated[int, Parameter(help="So many small runs are drawn.")]


def check(
    *,
    policy: Annotated[str, Parameter(help="Name or policy file.")] = "serving/vllm-v1",
    settings: Settings = (),
    cases: Cases = 50,
    seed: Annotated[int, Parameter(help="Of the runs and of the policy.")] = 0,
    stock: Annotated[
        bool, Parameter(negative="", help="vLLM's own scheduler, for a policy that it has.")
    ] = False,
    model: Annotated[
        str | None,
        Parameter(help="Run a model, too: `tiny`, or a folder. Default: none, which is fast."),
    ] = None,
    scenario: Annotated[
        Path | None, Parameter(help="Compare the run of this file instead of drawn ones.")
    ] = None,
    json: Json = False,
) -> int:
    """Compare your vLLM with the simulator, iteration by iteration.

    The same requests go through both on one virtual clock: who computes how many tokens in every
    iteration, who gives way, who waits and how much memory is free must be equal. vLLM runs in
    this process, and without `--model` only its scheduler and its memory manager do. A mismatch is
    shown with both states, in the smallest run that has it. Exit code 1 if there is one.

    Examples:

        hocket live check
        hocket live check --policy serving/past-future --set every=2 --cases 200
        hocket live check --policy serving/priority --stock
        hocket live check --policy my_policy.py --model tiny --json
    """
    from hocket.testing.errors import LiveError
    from hocket.testing.live import check_live

    if cases < 1:
        raise UserError(f"--cases {cases} compares nothing; give at least 1")
    ticker = Ticker(not json)
    chosen = with_fields(api.load_policy(policy), settings)
    run: Any = None if scenario is None else api.load(scenario)
    try:
        report = check_live(
            chosen,
            cases=cases,
            seed=seed,
            model=model,
            scenario=run,
            stock=stock,
            progress=lambda done, count: ticker(f"{done} of {count} runs compared"),
        )
    except LiveError as error:
        ticker.clear()
        if json:
            as_json({"subject": str(chosen), "equal": False, "mismatch": str(error)})
        else:
            say(str(error))
        return 1
    ticker.clear()
    if json:
        found = {"subject": report.subject, "equal": True, "checks": report.checks}
        as_json(found | {"skipped": report.skipped})
    else:
        print(report)
    return 0
