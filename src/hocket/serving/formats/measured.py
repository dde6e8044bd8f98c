"""Logs that say what happened to every request: the truth that models are fitted to and held to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hocket.core import files
from hocket.core.findings import Findings
from hocket.serving.formats import vllm_bench
from hocket.serving.formats.cells import Floats, seconds, tokens
from hocket.serving.formats.log import ARRIVAL, NAME, NAMED, OUTPUT, PROMPT, WITHOUT_TOKENS, note
from hocket.serving.formats.table import Column, Table, csv_table, jsonl_table
from hocket.serving.model.requests import Ints

QUEUED = ("queued_ts", "queued_time", "queued")
SCHEDULED = ("scheduled_ts", "scheduled_time", "scheduled")
FIRST = ("first_token_ts", "first_token_time", "first_token")
LAST = ("last_token_ts", "last_token_time", "last_token", "finished_ts", "finish_time", "finished")
TTFT = ("ttft", "time_to_first_token", "ttfts")
E2E = ("e2e", "e2el", "latency", "e2e_latency", "request_latency", "end_to_end")

_FAR = 10**5
"""Seconds: columns that lie further apart are of two clocks. No request lasts a day."""


class Measured(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Measured requests in the order of their arrival; times in seconds since the first arrival.

    All columns have shape (requests,). `queued` and `scheduled` are None where the log has none of
    them. `notes` say which rows were left out.
    """

    arrival: Floats
    prompt: Ints
    output: Ints
    first_token: Floats
    last_token: Floats
    queued: Floats | None = None
    scheduled: Floats | None = None
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.prompt)

    @property
    def ttft(self) -> Floats:
        """Seconds from arrival to the first token."""
        return self.first_token - self.arrival

    @property
    def tpot(self) -> Floats:
        """Mean seconds per further token; NaN for answers of one token."""
        further = np.where(self.output > 1, self.output - 1.0, np.nan)
        return (self.last_token - self.first_token) / further

    @property
    def e2e(self) -> Floats:
        """Seconds from arrival to the last token."""
        return self.last_token - self.arrival


def read_measured(path: str | Path, *, limit: int = files.LIMIT) -> Measured:
    """The measured requests in a log.

    It is the detailed result of ``vllm bench serve``, or CSV or JSON lines with arrival, prompt and
    output as in `formats.plain`, and with the times of the first and the last token: as readings of
    a clock (``first_token_ts``, ``last_token_ts``) or as spans since the arrival (``ttft``,
    ``e2e``). Where tokens are timed by another clock than arrivals, as in vLLM's engine, a request
    arrives when the engine queues it (``queued_ts``). Requests without tokens are left out.

    Raises InputError with every problem: missing columns, cells that are no numbers, a first token
    before the arrival, a last token before the first.
    """
    text, source = files.text(path, limit), files.display(path)
    findings = Findings(source)
    if vllm_bench.sniff(source, text[:4096]):
        table = _of_bench(text, findings)
    elif text.lstrip("\ufeff \t\r\n").startswith("{"):
        table = jsonl_table(text, findings)
    else:
        table = csv_table(text, findings)
    found = _columns(table, findings)
    return _judged(found, table, findings)


def _of_bench(text: str, findings: Findings) -> Table:
    """The result's lists, with the last tokens where the gaps between chunks end."""
    result = vllm_bench.result_of(text, findings)
    columns = dict(result.table.columns)
    if "ttfts" not in columns or not result.itls:
        findings.add("ttfts and itls are needed; run vllm bench serve with --save-detailed")
    findings.stop_if_any()
    spans: list[Any] = []
    for first, gaps in zip(columns["ttfts"].cells, result.itls, strict=True):
        try:
            spans.append(first + sum(gaps))
        except TypeError:
            spans.append(None)  # reported with the cells that are no times
    columns["e2e"] = Column("ttfts + itls", "", spans)
    renamed = {"start_times": "arrival", "input_lens": "prompt", "output_lens": "output"}
    return Table(
        {renamed.get(name, name): column for name, column in columns.items()}, result.table.lines
    )


def _columns(table: Table, findings: Findings) -> dict[str, Any]:
    """The columns as arrays, as they stand there. Raises InputError for those that are missing."""
    arrival, prompt, output = (table.first(names) for names in (ARRIVAL, PROMPT, OUTPUT))
    queued, scheduled = table.first(QUEUED), table.first(SCHEDULED)
    first, last = (table.first(names) for names in (FIRST, LAST))
    ttft, e2e = table.first(TTFT), table.first(E2E)
    needed = (
        (arrival or queued, "when requests arrive", ARRIVAL),
        (prompt, "how many tokens prompts have", PROMPT),
        (output, "how many tokens answers have", OUTPUT),
        (first or ttft, "when the first token came", (*FIRST, *TTFT)),
        (last or e2e, "when the last token came", (*LAST, *E2E)),
    )
    for column, what, known in needed:
        if column is None:
            findings.add(f"no column says {what} ({', '.join(known[:4])}); there is {table.found}")
    findings.stop_if_any()
    times = {"arrival": arrival, "queued": queued, "scheduled": scheduled}
    times |= {"first": first, "last": last, "ttft": ttft, "e2e": e2e}
    found: dict[str, Any] = {
        name: seconds(column, table.lines, findings)
        for name, column in times.items()
        if column is not None
    }
    counts = {"prompt": prompt, "output": output}
    found |= {n: tokens(c, table.lines, findings) for n, c in counts.items() if c is not None}
    names = table.first(NAME)
    found["names"] = names.cells if names else []
    findings.stop_if_any()
    return found


def _judged(found: dict[str, Any], table: Table, findings: Findings) -> Measured:
    """By one clock, in order, and free of contradictions."""
    token: Floats | None = found.get("first", found.get("last"))
    arrival: Floats = found["arrival"] if "arrival" in found else found["queued"]
    if token is not None and abs(float(np.median(token - arrival))) > _FAR:
        if "queued" not in found:
            findings.add("arrivals and tokens are timed by two clocks; give queued_ts as well")
        findings.stop_if_any()
        arrival = found["queued"]
    first = found["first"] if "first" in found else arrival + found["ttft"]
    last = found["last"] if "last" in found else arrival + found["e2e"]
    some = (found["prompt"] > 0) & (found["output"] > 0)
    for what, wrong in (
        ("the first token came before the request", some & (first < arrival)),
        ("the last token came before the first", some & (last < first)),
    ):
        for i in np.flatnonzero(wrong).tolist():
            if not findings.full:
                findings.add(what, table.lines[i])
    if not some.any():
        findings.add("no row has tokens of both prompt and answer")
    findings.stop_if_any()
    rows = np.flatnonzero(some)
    rows = rows[np.argsort(arrival[rows], kind="stable")]
    start = float(arrival[rows[0]])
    lost = np.flatnonzero(~some).tolist()
    where = [table.lines[i] for i in lost[:NAMED]]
    notes = (note(len(lost), WITHOUT_TOKENS, where),) if lost else ()
    return Measured(
        arrival=arrival[rows] - start,
        prompt=found["prompt"][rows],
        output=found["output"][rows],
        first_token=first[rows] - start,
        last_token=last[rows] - start,
        queued=found["queued"][rows] - start if "queued" in found else None,
        scheduled=found["scheduled"][rows] - start if "scheduled" in found else None,
        names=tuple(str(found["names"][i]) for i in rows) if found["names"] else (),
        notes=notes,
    )
