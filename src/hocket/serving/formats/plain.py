"""Request logs of no particular format: CSV, or one JSON object per line, with speaking columns.

    arrival_ms, prompt, output, limit, priority, tenant, expected, cancel_ms, name

Only the first three are needed, under these or their usual other names (`timestamp`,
`prompt_tokens`, `input_length`, `completion_tokens`, ...). Times are numbers in the unit of the
header, seconds if it names none, or dates; dates, and numbers from 10^6 s up, are readings of a
clock and count from the first. `cancel` is how long after its arrival the client of a request
goes away, empty for never, and `expected` the tokens that it expects of the answer. In JSON lines
`prefix` holds the hash ids of the prompt's blocks of `prefix_block` tokens. Columns of other names
are not read.

A log that is written has its times in us and reads back as the same scenario.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from hocket.core.errors import InputError
from hocket.core.findings import Findings
from hocket.serving.formats.log import OUTPUT, PROMPT, Layout, Log, log_format, log_of
from hocket.serving.formats.table import Table, csv_table, header_of, jsonl_table, keys_of
from hocket.serving.workload import Trace
from hocket.serving.workload.clock import ticks_per_second

_TOKENS = {*PROMPT, *OUTPUT}


def parse_csv(text: str, findings: Findings) -> Log:
    """The log in CSV. Raises InputError with every problem."""
    return log_of(csv_table(text, findings), Layout(from_first=False), findings)


def parse_jsonl(text: str, findings: Findings) -> Log:
    """The log in JSON lines. Raises InputError with every problem."""
    table = jsonl_table(text, findings)
    layout = Layout(prefix_block=_prefix_block(table, findings), from_first=False)
    return log_of(table, layout, findings)


def _prefix_block(table: Table, findings: Findings) -> int:
    """Tokens per block: the one value of the column `prefix_block`, 16 without it."""
    if "prefix_block" not in table.columns:
        return 16
    first: Any = table.columns["prefix_block"].cells[0]
    for line, cell in zip(table.lines, table.columns["prefix_block"].cells, strict=True):
        if (type(cell) is not int or not 0 < cell < 2**31 or cell != first) and not findings.full:
            message = f"{cell!r:.20} is not the same number of tokens, above 0, in every line"
            findings.add(message, line, "prefix_block")
    findings.stop_if_any()
    return int(first)


def write_csv(scenario: Any) -> str:
    """The log. Raises InputError for what a table of requests cannot hold."""
    trace = _recorded(scenario, "requests-csv")
    if trace.prefix:
        raise InputError(scenario.name, ["CSV cannot hold prefixes; write .jsonl"])
    rows = list(_rows(trace, scenario.time_unit))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows(row.values() for row in rows)
    return text.getvalue()


def write_jsonl(scenario: Any) -> str:
    """The log. Raises InputError for what a list of requests cannot hold."""
    trace = _recorded(scenario, "requests-jsonl")
    rows = _rows(trace, scenario.time_unit)
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def _recorded(scenario: Any, kind: str) -> Trace:
    """The workload, if it is a trace and all that there is to the scenario."""
    from hocket.serving.model.cluster import Cluster  # it imports workloads, which lie below

    trace = getattr(scenario, "workload", None)
    if not isinstance(scenario, Cluster) or not isinstance(trace, Trace):
        message = f"{kind} holds recorded requests, and the workload is not of kind trace"
        raise InputError(getattr(scenario, "name", ""), [message])
    if trace.clients or trace.follows:
        message = f"{kind} holds requests that arrive by themselves, not those that others release"
        raise InputError(scenario.name, [message])
    plain = Cluster(name=scenario.name, time_unit=scenario.time_unit, workload=trace)
    lost = [f for f in scenario.__struct_fields__ if getattr(scenario, f) != getattr(plain, f)]
    if lost:
        message = f"{kind} holds requests alone, not {', '.join(lost)}; write .yaml"
        raise InputError(scenario.name, [message])
    return trace


def _rows(trace: Trace, unit: str) -> Iterator[dict[str, Any]]:
    scale = 10**6 / ticks_per_second(unit)
    if scale < 1:
        raise InputError("requests", [f"times are written in us, and those in {unit} are finer"])
    optional = {
        "limit": trace.limit,
        "priority": trace.priority,
        "tenant": trace.tenant,
        "expected": trace.expected,
        "cancel_us": tuple(None if after < 0 else round(after * scale) for after in trace.cancel),
        "name": trace.names,
        "prefix": trace.prefix,
    }
    there = {key: column for key, column in optional.items() if column}
    block = {"prefix_block": trace.prefix_block} if trace.prefix else {}
    for i in range(len(trace.prompt)):
        row: dict[str, Any] = {
            "arrival_us": round(trace.arrival[i] * scale),
            "prompt": trace.prompt[i],
            "output": trace.output[i],
        }
        yield row | {key: column[i] for key, column in there.items()} | block


LOGS = (
    log_format(
        "requests-csv",
        "a table of requests: arrival, prompt, output, limit, priority, tenant, cancel, name",
        (".csv", ".tsv"),
        lambda name, head: bool(_TOKENS & header_of(head)),
        parse_csv,
        write_csv,
    ),
    log_format(
        "requests-jsonl",
        "requests, one JSON object per line: arrival, prompt, output, prefix, ...",
        (".jsonl", ".ndjson"),
        lambda name, head: bool(_TOKENS & keys_of(head)),
        parse_jsonl,
        write_jsonl,
    ),
)
