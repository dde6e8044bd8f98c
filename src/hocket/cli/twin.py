"""``hocket twin``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from hocket import api
from hocket.cli.calibrate import measured_in, pool_of
from hocket.cli.files import Json, Settings
from hocket.cli.output import as_json, command_line, say, ticking
from hocket.cli.shown import Report, place
from hocket.core.errors import UserError
from hocket.core.fields import with_fields

if TYPE_CHECKING:
    from hocket.serving.calibrate import Error
    from hocket.serving.twin import Prospect, Served, Twin

ENGINE = "serving/vllm-v1"


def _inside(_: Any, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError("must be above 0 and below 1")


def twin(
    log: Annotated[
        Path,
        Parameter(name="LOG", help="A record of a live run, or a request log."),
    ],
    /,
    *,
    split: Annotated[
        float, Parameter(validator=_inside, help="Share of the requests to fit to.")
    ] = 0.5,
    target: Annotated[
        float, Parameter(validator=_inside, help="How far off means and P90 may be.")
    ] = 0.1,
    what_if: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            help="Predict a change, KEY=VALUE: policy, kv_blocks, seqs, tokens, rate, "
            "prefix_cache; may be given again.",
        ),
    ] = (),
    against: Annotated[
        Path | None, Parameter(help="A record of the change really run, to compare with.")
    ] = None,
    output: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], validator=place, help="Cost model: model.yaml."),
    ] = None,
    report: Report = None,
    seed: Annotated[
        int | None, Parameter(help="Of the policy's random numbers; default: the record's.")
    ] = None,
    model: Annotated[str, Parameter(help="Request logs: the model, such as llama-3.1-8b.")] = "",
    gpu: Annotated[str, Parameter(help="Request logs: the GPU, such as H100.")] = "",
    tp: Annotated[int, Parameter(help="Request logs: tensor-parallel degree.")] = 1,
    pp: Annotated[int, Parameter(help="Request logs: pipeline stages.")] = 1,
    kv_blocks: Annotated[int | None, Parameter(help="Request logs: blocks of memory.")] = None,
    prefix_cache: Annotated[
        bool, Parameter(help="Request logs: whether computed blocks were kept.")
    ] = True,
    policy: Annotated[str, Parameter(help="Request logs: how batches were formed.")] = ENGINE,
    settings: Settings = (),
    json: Json = False,
) -> None:
    """Predict a recorded engine, say how well, and what it would do otherwise.

    A cost model is fitted to the first half of the log; then the whole log is served again on the
    virtual clock, and the times of the second half are laid beside those measured: means, medians,
    90th and 99th percentiles of TTFT, TPOT and end-to-end time, and the makespan, with bootstrap
    intervals. The first half is the warm-up. With --what-if the same requests are served otherwise;
    with --against a record of that having been tried stands beside it. Records are made by `hocket
    live vllm` and by the scheduler in vLLM itself; other logs are read as by `hocket calibrate`,
    and need --model and --gpu. The exit code is 0 whether or not the target is met.

    Examples:

        hocket twin run.jsonl --report twin.html -o model.yaml
        hocket twin run.jsonl --what-if policy=serving/past-future --what-if kv_blocks=0.5x
        hocket twin run.jsonl --what-if rate=2x --json
        hocket live vllm chat.yaml --kv-blocks 200 --policy serving/past-future -o tried.jsonl
        hocket twin run.jsonl --against tried.jsonl --report twin.html
        hocket twin requests.csv --model llama-3.1-8b --gpu H100
    """
    from hocket.serving import twin as twins
    from hocket.serving.calibrate import write

    with ticking(not json) as tick:
        if twins.is_record(log):
            if model or gpu or kv_blocks is not None or settings or policy != ENGINE:
                raise UserError(
                    f"{log} is a record and says itself what it was served on and under which "
                    "policy; leave --model, --gpu, --kv-blocks, --policy and --set out. To ask "
                    "for another policy or memory: --what-if policy=NAME, --what-if kv_blocks=N"
                )
            served = twins.from_record(log)
        else:
            _require_log(log, named=bool(model or gpu))
            engine = {"tp": tp, "pp": pp, "kv_blocks": kv_blocks, "prefix_cache": prefix_cache}
            chosen = with_fields(api.load_policy(policy), settings)
            pool = pool_of(model, gpu, engine)
            served = twins.from_log(measured_in(log), pool, chosen, str(log))
        tried = None if against is None else _tried(against)
        found = twins.twin(served, split=split, seed=seed, target=target, progress=tick)
        prospect = None
        if what_if or tried is not None:
            tick("simulating what if")
            prospect = twins.what_if(found, what_if, against=tried)
    if output is not None:
        write.write(found.calibration, output)
        say(f"wrote {output}")
    if report is not None:
        _write_report(report, found, prospect)
        say(f"wrote {report}")
    if json:
        as_json(_document(found, prospect))
    else:
        _show(found, prospect)


def _require_log(path: Path, *, named: bool) -> None:
    """Raise UserError for what can be no log of requests, before options are asked for."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        if str(path) != "-":
            raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if not named:
        raise UserError(
            f"{path} is no record of a live run, whose first line is of kind began; if it is a log "
            "of requests, say with --model and --gpu what served them"
        )


def _tried(path: Path) -> Served:
    from hocket.serving import twin as twins

    if not twins.is_record(path):
        raise UserError(f"--against {path} is no record of a live run; hocket live vllm makes one")
    return twins.from_record(path)


def _document(found: Twin, prospect: Prospect | None) -> dict[str, Any]:
    from hocket.serving.twin.pictures import facts, prospects

    told: dict[str, Any] = {
        "log": found.served.source,
        "policy": str(found.served.policy),
        "requests": len(found.served),
        "fitted": found.cut,
        "target": found.target,
        "met": not found.missed,
        "errors": found.errors,
        "slower": found.slower,
        "calibration": found.calibration,
        "notes": found.served.notes,
    }
    if prospect is not None:
        told["what_if"] = {
            "changes": prospect.label,
            "policy": prospect.policy,
            "statistics": prospects(found, prospect),
            "against": None if prospect.real is None else prospect.real.source,
            "met": None if prospect.real is None else not prospect.missed,
            "errors": prospect.errors,
            "slower": prospect.slower,
            "notes": prospect.notes,
        }
    return told | {"facts": facts(found, prospect)}


def _write_report(path: Path, found: Twin, prospect: Prospect | None) -> None:
    from hocket.cli.output import measures
    from hocket.report import document, html
    from hocket.serving.twin import pictures

    rows = pictures.estimates(found)
    if prospect is not None:
        rows += pictures.prospects(found, prospect)
    page = document.from_compare(
        rows=rows,
        figures=pictures.figures(found, prospect),
        facts=pictures.facts(found, prospect),
        measures=measures(found.served.scenario),
        seed=found.seed,
        title=f"The twin of {Path(found.served.source).name}",
        command=command_line(),
    )
    html.write(page, path)


def _show(found: Twin, prospect: Prospect | None) -> None:
    from hocket.report import tables
    from hocket.serving.twin.pictures import facts, speed, verdict

    told = facts(found)
    for label in ("log", "policy", "fitted to", "compared", "spread"):
        if label in told:
            tables.show(f"{label}: {told[label]}")
    rows = [_row(row, found.target) for row in found.errors]
    tables.show(tables.listing(rows, title="Requests not seen: measured and predicted"))
    tables.show(f"target {found.target:.0%} on means, P90 and makespan: {verdict(found.missed)}")
    if found.slower is not None:
        tables.show(f"of that, the engine's own speed: {speed(found.slower)}")
    for note in found.served.notes:
        tables.show(f"note: {note}")
    if prospect is None:
        return
    tables.show("")
    tables.show(tables.listing(_prospects(found, prospect), title=f"What if: {prospect.label}"))
    if prospect.real is not None:
        tables.show(f"target {found.target:.0%}: {verdict(prospect.missed)}")
    if prospect.slower is not None:
        tables.show(f"of that, the engine's own speed: {speed(prospect.slower)}")
    for note in prospect.notes:
        tables.show(f"note: {note}")


def _row(row: Error, target: float) -> dict[str, str]:
    return {
        "time": row.metric,
        "statistic": row.statistic,
        "measured": _seconds(row.measured),
        "predicted": _seconds(row.predicted),
        **_off(row, target),
    }


def _off(row: Error, target: float) -> dict[str, str]:
    """How far off, how sure that is, and whether it is near enough where that is asked."""
    from hocket.serving.twin.compare import JUDGED

    known = row.low is not None and row.high is not None
    judged = row.statistic in JUDGED
    return {
        "error": f"{row.error:+.1%}",
        "95 % interval": f"{row.low:+.1%} to {row.high:+.1%}" if known else "",
        "target": ("met" if abs(row.error) <= target else "missed") if judged else "",
    }


def _prospects(found: Twin, prospect: Prospect) -> list[dict[str, str]]:
    """Each statistic as it ran, as it would be, and as it was where that was tried."""
    from hocket.serving.twin.served import statistics

    ran, predicted = statistics(found.served.times), statistics(prospect.predicted)
    wrong = {(row.metric, row.statistic): row for row in prospect.errors}
    rows = []
    for key, after in predicted.items():
        before = ran.get(key)
        row = {"time": key[0], "statistic": key[1]}
        row["as it ran"] = "" if before is None else _seconds(before)
        row["predicted"] = _seconds(after)
        row["change"] = _change(after / before) if before else ""
        if key in wrong:
            row["really run"] = _seconds(wrong[key].measured)
            row |= _off(wrong[key], found.target)
        rows.append(row)
    return rows


def _change(ratio: float) -> str:
    """``+12%`` between half and twice as much, else ``7.5x``."""
    return f"{ratio - 1:+.0%}" if 0.5 <= ratio <= 2 else f"{ratio:.3g}x"


def _seconds(value: float) -> str:
    return f"{value:.4g} s"
