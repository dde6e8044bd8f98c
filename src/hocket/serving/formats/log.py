"""A request log in columns, and what becomes of it: put in order, judged, made a scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
import numpy as np

from hocket.core.domain import Format
from hocket.core.files import stem
from hocket.core.findings import Findings
from hocket.core.scenario import LONGEST, Scenario
from hocket.serving.formats.cells import Floats, from_start, seconds, tokens
from hocket.serving.formats.table import UNITS, Table
from hocket.serving.model.requests import Ints
from hocket.serving.workload import Trace
from hocket.serving.workload.clock import ticks_per_second
from hocket.serving.workload.trace import wrong_names

NAMED = 5  # lines that a note names
WITHOUT_TOKENS = "without tokens of prompt or answer left out"

ARRIVAL = (
    "arrival", "arrival_time", "arrived_at", "timestamp", "time", "created", "created_at",
    "start_time", "request_time", "date",
)  # fmt: skip
PROMPT = (
    "prompt", "prompt_tokens", "prompt_len", "prompt_length", "input", "input_tokens",
    "input_length", "input_len", "input_toks", "num_prefill_tokens", "contexttokens",
    "context_tokens", "request_tokens",
)  # fmt: skip
OUTPUT = (
    "output", "output_tokens", "output_length", "output_len", "output_toks", "completion_tokens",
    "generated_tokens", "generatedtokens", "response_tokens", "num_decode_tokens",
)  # fmt: skip
LIMIT = ("limit", "max_tokens", "max_completion_tokens", "max_output_tokens")
EXPECTED = ("expected", "expected_tokens", "expected_output")
CANCEL = ("cancel", "cancel_after")
NAME = ("name", "request_id", "id")
PREFIX = ("prefix", "hash_ids")


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Which column of a log is what: for each the names it may have, the likeliest first.

    `unit` is that of times whose header names none. With `from_first` they count from the first
    request; without, only those do that are readings of a clock.
    """

    arrival: tuple[str, ...] = ARRIVAL
    prompt: tuple[str, ...] = PROMPT
    output: tuple[str, ...] = OUTPUT
    limit: tuple[str, ...] = LIMIT
    priority: tuple[str, ...] = ("priority",)
    tenant: tuple[str, ...] = ("tenant", "user")
    expected: tuple[str, ...] = EXPECTED
    cancel: tuple[str, ...] = CANCEL
    name: tuple[str, ...] = NAME
    prefix: tuple[str, ...] = PREFIX
    prefix_block: int = 16
    unit: str = "s"
    from_first: bool = True


class Log(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Requests in the order of their arrival, each with at least one token of prompt and answer.

    `arrival` is in seconds since the start, `cancel` in seconds after the arrival, -1 for never;
    the other columns are as in `Trace`.
    """

    arrival: Floats
    prompt: Ints
    output: Ints
    limit: Ints | None = None
    priority: Ints | None = None
    tenant: tuple[str, ...] = ()
    expected: Ints | None = None
    cancel: Floats | None = None
    names: tuple[str, ...] = ()
    prefix: tuple[tuple[int, ...], ...] = ()
    prefix_block: int = 16
    notes: tuple[str, ...] = ()

    def picked(self, rows: Ints, *notes: str) -> Log:
        """These rows only, in this order."""

        def some(column: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(column[i] for i in rows.tolist()) if column else ()

        return Log(
            arrival=self.arrival[rows],
            prompt=self.prompt[rows],
            output=self.output[rows],
            limit=None if self.limit is None else self.limit[rows],
            priority=None if self.priority is None else self.priority[rows],
            tenant=some(self.tenant),
            expected=None if self.expected is None else self.expected[rows],
            cancel=None if self.cancel is None else self.cancel[rows],
            names=some(self.names),
            prefix=some(self.prefix),
            prefix_block=self.prefix_block,
            notes=(*self.notes, *notes),
        )


def log_of(table: Table, layout: Layout, findings: Findings) -> Log:
    """The log in a table. Raises InputError with every problem.

    Rows are sorted by time, those of one instant left in their order. Rows without a token of
    prompt or answer are left out: such requests failed or were refused, and no engine generates
    nothing. Both are said in the notes.
    """
    arrival = _needed(table, layout.arrival, "when requests arrive", findings)
    prompt = _needed(table, layout.prompt, "how many tokens prompts have", findings)
    output = _needed(table, layout.output, "how many tokens answers have", findings)
    findings.stop_if_any()
    times = seconds(arrival, table.lines, findings, layout.unit)
    log = Log(
        arrival=times,
        prompt=tokens(prompt, table.lines, findings),
        output=tokens(output, table.lines, findings),
        limit=_limits(table, layout, findings),
        priority=_priorities(table, layout, findings),
        tenant=_texts(table, layout.tenant),
        expected=_expected(table, layout, findings),
        cancel=_cancels(table, layout, findings),
        names=_texts(table, layout.name),
        prefix=_prefixes(table, layout, findings),
        prefix_block=layout.prefix_block,
    )
    findings.stop_if_any()
    if layout.from_first:
        log = msgspec.structs.replace(log, arrival=times - times.min())
    return _tidied(log, table.lines, findings, arrival.header)


def _needed(table: Table, names: tuple[str, ...], what: str, findings: Findings) -> Any:
    column = table.first(names)
    if column is None:
        known = f"({', '.join(names[:4])}, ...)"
        findings.add(f"no column says {what} {known}; there is {table.found}{_units(table, names)}")
    return column


def _units(table: Table, names: tuple[str, ...]) -> str:
    """A word on units, if a column would be one of `names` but for what follows."""
    for name, column in table.columns.items():
        if names == ARRIVAL and name.startswith(tuple(f"{known}_" for known in names)):
            return f" ({column.header!r} ends in no known unit: {', '.join(UNITS)})"
    return ""


def _tidied(log: Log, lines: list[int], findings: Findings, header: str) -> Log:
    log = msgspec.structs.replace(log, arrival=from_start(log.arrival))
    for i in np.flatnonzero(log.arrival < 0).tolist():
        if not findings.full:
            findings.add(f"{log.arrival[i]:g} s is before the start, 0", lines[i], header)
    findings.stop_if_any()
    notes = []
    some = (log.prompt > 0) & (log.output > 0)
    if not np.all(some):
        where = [lines[i] for i in np.flatnonzero(~some)[:NAMED]]
        notes.append(note(int(np.sum(~some)), WITHOUT_TOKENS, where))
    rows = np.flatnonzero(some)
    if not len(rows):
        findings.add("no row has tokens of both prompt and answer")
        findings.stop_if_any()
    late = np.flatnonzero(np.diff(log.arrival[rows]) < 0) + 1
    if len(late):
        where = [lines[i] for i in rows[late[:NAMED]]]
        notes.append(note(len(late), "earlier than the row above: sorted by time", where))
        rows = rows[np.argsort(log.arrival[rows], kind="stable")]
    return log.picked(rows, *notes) if notes else log


def note(count: int, what: str, lines: list[int]) -> str:
    """What became of `count` rows, and the first of their lines."""
    shown = ", ".join(map(str, lines))
    more = ", ..." if count > len(lines) else ""
    rows, several = ("row", "") if count == 1 else ("rows", "s")
    return f"{count} {rows} {what} (line{several} {shown}{more})"


def _limits(table: Table, layout: Layout, findings: Findings) -> Ints | None:
    column = table.first(layout.limit)
    if column is None or any(cell is None or cell == "" for cell in column.cells):
        return None  # a limit that only some requests have says nothing of the others
    found = tokens(column, table.lines, findings)
    for i in np.flatnonzero(found < 1).tolist():
        if not findings.full:
            findings.add("must be at least 1", table.lines[i], column.header)
    return found


def _priorities(table: Table, layout: Layout, findings: Findings) -> Ints | None:
    column = table.first(layout.priority)
    if column is None:
        return None
    found = np.zeros(len(column.cells), dtype=np.int64)
    for i, cell in enumerate(column.cells):
        try:
            found[i] = int(cell) if cell not in ("", None) else 0
            within = abs(int(found[i])) <= 2**31
        except (TypeError, ValueError, OverflowError):
            within = False
        if not within and not findings.full:
            message = f"{cell!r:.24} is not a whole number from -2^31 to 2^31"
            findings.add(message, table.lines[i], column.header)
    return found


def _expected(table: Table, layout: Layout, findings: Findings) -> Ints | None:
    """Tokens that senders expect, 0 where a cell is empty."""
    column = table.first(layout.expected)
    if column is None:
        return None
    cells = [0 if cell is None or cell == "" else cell for cell in column.cells]
    return tokens(column._replace(cells=cells), table.lines, findings)


def _cancels(table: Table, layout: Layout, findings: Findings) -> Floats | None:
    """Seconds after the arrival at which clients go away, -1 where a cell is empty."""
    column = table.first(layout.cancel)
    if column is None:
        return None
    found = np.full(len(column.cells), -1.0)
    rows = [i for i, cell in enumerate(column.cells) if cell is not None and cell != ""]
    lines = [table.lines[i] for i in rows]
    found[rows] = seconds(
        column._replace(cells=[column.cells[i] for i in rows]), lines, findings, layout.unit
    )
    for i in rows:
        if found[i] < 0 and not findings.full:
            message = "must be a time after the arrival, or empty for a client that stays"
            findings.add(message, table.lines[i], column.header)
    return found


def _texts(table: Table, names: Iterable[str]) -> tuple[str, ...]:
    """A column of texts; none at all where it is absent or has cells of another kind."""
    column = table.first(names)
    if column is None or not all(isinstance(cell, str | int) for cell in column.cells):
        return ()
    return tuple(map(str, column.cells))


def _prefixes(table: Table, layout: Layout, findings: Findings) -> tuple[tuple[int, ...], ...]:
    column = table.first(layout.prefix)
    if column is None or all(isinstance(cell, str) for cell in column.cells):
        return ()
    found = []
    for line, cell in zip(table.lines, column.cells, strict=True):
        ids = cell if isinstance(cell, list) else None
        if ids is None or not all(type(i) is int and 0 <= i < 2**63 for i in ids):
            if not findings.full:
                findings.add("expected a list of whole numbers from 0 up", line, column.header)
            ids = []
        found.append(tuple(ids))
    return tuple(found)


def trace_of(log: Log, unit: str, findings: Findings) -> Trace:
    """The log as a workload with times in ticks of `unit`, rounded.

    Raises InputError where it lasts longer than a scenario may.
    """
    ticks = np.rint(log.arrival * ticks_per_second(unit))
    cancel: tuple[int, ...] = ()
    if log.cancel is not None:
        patience = np.rint(log.cancel * ticks_per_second(unit))
        cancel = tuple(np.where(log.cancel < 0, -1, patience).astype(np.int64).tolist())
    furthest = max((ticks[-1], *cancel))
    if furthest > LONGEST:
        days, most = (x / ticks_per_second(unit) / 86400 for x in (furthest, LONGEST))
        findings.add(
            f"it lasts {days:.1f} days, and times in {unit} reach {most:.1f} days: take a part of "
            "it, with workload: {kind: log, path: ..., count: ...}"
        )
        findings.stop_if_any()
    names, notes = log.names, log.notes
    if wrong := wrong_names(names):
        names = ()
        notes = (*notes, f"{wrong}: they are called r0, r1, ... instead")
    return Trace(
        arrival=tuple(ticks.astype(np.int64).tolist()),
        prompt=tuple(log.prompt.tolist()),
        output=tuple(log.output.tolist()),
        limit=() if log.limit is None else tuple(log.limit.tolist()),
        priority=() if log.priority is None else tuple(log.priority.tolist()),
        tenant=log.tenant,
        expected=() if log.expected is None else tuple(log.expected.tolist()),
        cancel=cancel,
        prefix=log.prefix,
        prefix_block=log.prefix_block,
        names=names,
        notes=notes,
    )


class LogFormat(NamedTuple):
    """A format of logs, and what makes a log of a text in it: ``parse(text, findings) -> Log``."""

    format: Format
    parse: Callable[[str, Findings], Log]


def log_format(
    name: str,
    summary: str,
    suffixes: tuple[str, ...],
    sniff: Callable[[str, str], bool],
    parse: Callable[[str, Findings], Log],
    write: Callable[[Any], str] | None = None,
) -> LogFormat:
    """A format whose scenario is a cluster of one default replica that meets the log."""

    def read(text: str, source: str = "") -> Scenario:
        # The model imports workloads and knows no formats, so that this is no circle.
        from hocket.serving.model.cluster import Cluster

        findings = Findings(source or name)
        trace = trace_of(parse(text, findings), "us", findings)
        return Cluster(name=stem(source), workload=trace)

    return LogFormat(
        Format(name=name, summary=summary, suffixes=suffixes, sniff=sniff, read=read, write=write),
        parse,
    )
