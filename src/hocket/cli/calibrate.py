"""``hocket calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from hocket import api
from hocket.cli.files import Json, Settings
from hocket.cli.output import as_json, say, ticking
from hocket.core.errors import InputError, Problem, UserError
from hocket.core.fields import with_fields
from hocket.core.writing import require_place

if TYPE_CHECKING:
    from hocket.serving.calibrate import Calibration
    from hocket.serving.formats.measured import Measured
    from hocket.serving.model.cluster import Pool


AICONFIGURATOR = "aiconfigurator"


def _share(_: Any, value: float) -> None:
    if not 0 < value <= 1:
        raise ValueError("must be above 0 and at most 1")


def _place(_: Any, path: Path | None) -> None:
    if path is not None:
        require_place(path)


def calibrate(
    source: Annotated[
        Path,
        Parameter(
            name="SOURCE",
            help="A request log, a folder of operator times, or the word aiconfigurator.",
        ),
    ],
    /,
    *,
    output: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], validator=_place, help="File to write: model.yaml."),
    ] = None,
    model: Annotated[str, Parameter(help="Model that was served, such as llama-3.1-8b.")] = "",
    gpu: Annotated[str, Parameter(help="GPU it ran on, such as H100.")] = "",
    tp: Annotated[int | None, Parameter(help="Tensor-parallel degree.")] = None,
    pp: Annotated[int, Parameter(help="Pipeline stages.")] = 1,
    kv_blocks: Annotated[
        int | None, Parameter(help="Blocks of key-value memory, if the engine's log told.")
    ] = None,
    memory_utilization: Annotated[
        float, Parameter(validator=_share, help="Share of the GPU's memory that was used.")
    ] = 0.9,
    prefix_cache: Annotated[
        bool, Parameter(help="Whether the engine kept blocks of what it had computed.")
    ] = True,
    policy: Annotated[
        str, Parameter(help="How batches were formed: a name or a policy file.")
    ] = "serving/vllm-v1",
    settings: Settings = (),
    log: Annotated[Path | None, Parameter(help="Another log, to check the model on.")] = None,
    train: Annotated[
        float, Parameter(validator=_share, help="Share of the log to fit to; the rest checks.")
    ] = 0.5,
    json: Json = False,
) -> None:
    """Make a cost model from measurements: an ordinary request log, or operator times.

    A log has a row per request with arrival, prompt and output tokens, and the times of the first
    and the last token (CSV, JSON lines, or the detailed result of `vllm bench serve`). The model is
    fitted to the first part of it, and its errors are told on the rest. Operator times are a folder
    in the format of LLMServingSim or Vidur, or those of the package aiconfigurator; nothing is
    fitted, and --log tells how well they predict. A pool of a scenario takes the file with
    cost: {kind: file, path: model.yaml}.

    Examples:

        hocket calibrate requests.csv --model llama-3.1-8b --gpu H100 -o model.yaml
        hocket calibrate requests.jsonl --model llama-3.1-8b --gpu "RTX 4090" --set seqs=128
        hocket calibrate aiconfigurator --model llama-3.1-8b --gpu H100 -o model.yaml
        hocket calibrate profile/tp1 -o model.yaml --log requests.jsonl --gpu "RTX 4090"
    """
    from hocket.serving.calibrate import (
        checked,
        from_aiconfigurator,
        from_log,
        from_profile,
        write,
    )

    chosen = with_fields(api.load_policy(policy), settings)
    memory = {
        "kv_blocks": kv_blocks,
        "memory_utilization": memory_utilization,
        "prefix_cache": prefix_cache,
    }
    with ticking(not json) as tick:
        measured_alone = str(source) == AICONFIGURATOR and not source.exists()
        is_log = not measured_alone and not source.is_dir()
        if measured_alone:
            _require(model, gpu)
            found = from_aiconfigurator(model, gpu, 1 if tp is None else tp)
        elif source.is_dir():
            found = from_profile(source, model=model, tp=tp)
            model, tp = model or found.meta["model"], found.meta["tp"]
        if log is not None or is_log:
            pool = pool_of(model, gpu, memory | {"tp": 1 if tp is None else tp, "pp": pp})
        if is_log:
            found = from_log(measured_in(source), pool, chosen, train=train, progress=tick)
        if log is not None:
            found = checked(found, measured_in(log), pool, chosen)
    if output is not None:
        write.write(found, output)
        say(f"wrote {output}")
    if json:
        as_json(found)
    else:
        _show(found, output)


def measured_in(path: Path) -> Measured:
    """The requests of a log; what was left out is said. Raises InputError."""
    from hocket.serving.formats.measured import read_measured

    found = read_measured(path)
    for note in found.notes:
        say(f"{path}: {note}")
    return found


def pool_of(model: str, gpu: str, others: dict[str, Any]) -> Pool:
    """What the requests were served on. Raises UserError, InputError."""
    import msgspec

    from hocket.serving import memory
    from hocket.serving.model.cluster import Pool

    _require(model, gpu)
    try:
        pool = msgspec.convert({"model": model, "gpu": gpu, **others}, Pool)
    except msgspec.ValidationError as error:
        raise UserError(f"no such replica: {error}") from None
    problems = list(memory.problems("", pool))
    if problems:
        plain = [Problem(problem.path.lstrip("."), problem.message) for problem in problems]
        raise InputError("--model and --gpu", plain)
    return pool


def _require(model: str, gpu: str) -> None:
    missing = [name for name, value in (("--model", model), ("--gpu", gpu)) if not value]
    if missing:
        raise UserError(
            f"say with {' and '.join(missing)} what it is about: which model was served, and on "
            "which GPU, from which the engine's memory follows"
        )


def _show(found: Calibration, output: Path | None) -> None:
    from hocket.report import tables

    if found.errors:
        tables.show(tables.listing(_rows(found), title="Errors on requests not seen"))
    elif not found.seen:
        tables.show(f"Operator times: {found.meta.get('profile', '')}. Nothing to check against.")
    if "most at once" in found.meta:
        tables.show(f"Note: at most {found.meta['most at once']} requests ran at once in the log.")
    if "left out" in found.meta:
        tables.show(f"Note: {found.meta['left out']} later requests of the log were not used.")
    if output is None:
        tables.show("Nothing written: give -o model.yaml to keep the model.")


def _rows(found: Calibration) -> list[dict[str, str]]:
    rows = []
    for row in found.errors:
        known = row.low is not None and row.high is not None
        interval = f"{row.low:+.1%} to {row.high:+.1%}" if known else "-"
        rows.append(
            {
                "time": row.metric,
                "statistic": row.statistic,
                "measured": f"{row.measured:.4g} s",
                "predicted": f"{row.predicted:.4g} s",
                "error": f"{row.error:+.1%}",
                "95 % interval": interval,
                "requests": str(row.requests),
            }
        )
    return rows
