"""Results of ``vllm bench serve --save-result --save-detailed``: one JSON object of lists.

Without ``--save-detailed`` vLLM leaves the lists out, and there is nothing to replay.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from hocket.core.findings import Findings, refuse_binary
from hocket.serving.formats.log import Layout, Log, log_format, log_of
from hocket.serving.formats.table import Column, Table

_LISTS = ("start_times", "input_lens", "output_lens")
_TIMES = ("ttfts", "itls")
_MARKS = ('"request_throughput"', '"input_lens"', '"output_lens"', '"ttfts"')


class Result(NamedTuple):
    """The lists as a table, whose "lines" are the numbers of the requests from 1."""

    table: Table
    itls: list[Any]


def sniff(name: str, head: str) -> bool:
    """Whether this is such an object. A detailed result may hold its lists beyond the head."""
    start = head.removeprefix("\ufeff").lstrip()
    known = ('"backend"', '"endpoint_type"', '"model_id"', '"num_prompts"')
    return start.startswith("{") and (
        any(mark in head for mark in _MARKS) or sum(mark in head for mark in known) > 1
    )


def result_of(text: str, findings: Findings) -> Result:
    """The lists of a result. Raises InputError where they are missing or of different lengths."""
    refuse_binary(text, findings)
    try:
        data = msgspec.json.decode(text.removeprefix("\ufeff"))
    except (msgspec.DecodeError, RecursionError) as error:
        line = text.rstrip().count("\n") + 1
        findings.add(f"not valid JSON: {error}; is the file cut off?", line)
        findings.stop_if_any()
    if not isinstance(data, dict):
        findings.add("expected one object of results")
        findings.stop_if_any()
    lists = {name: data[name] for name in (*_LISTS, *_TIMES) if isinstance(data.get(name), list)}
    for name in _LISTS:
        if name not in lists:
            findings.add("missing; run vllm bench serve with --save-detailed", None, name)
    count = len(lists.get("input_lens", ()))
    for name, column in lists.items():
        if "input_lens" in lists and len(column) != count:
            findings.add(f"{len(column)} entries, but there are {count} prompts", None, name)
    if not count and not findings.problems:
        findings.add("there are no requests")
    findings.stop_if_any()
    columns = {name: Column(name, "", lists[name]) for name in lists if name != "itls"}
    return Result(Table(columns, list(range(1, count + 1))), lists.get("itls", []))


_LAYOUT = Layout(arrival=("start_times",), prompt=("input_lens",), output=("output_lens",))


def parse(text: str, findings: Findings) -> Log:
    """The requests of the benchmark, save those that failed. Raises InputError."""
    return log_of(result_of(text, findings).table, _LAYOUT, findings)


LOG = log_format(
    "vllm-bench",
    "result of vllm bench serve --save-result --save-detailed",
    (".json",),
    sniff,
    parse,
)
