"""Plain tables for the command line: they read the same on a terminal, in a pipe and in a log.

The functions return rich renderables and `show` prints them. Texts are never taken for markup, and
numbers are never cut: where a table does not fit, it becomes one record for each of its rows.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, Literal, NamedTuple

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from hocket.core.paper import Claim
from hocket.core.solution import Row, Solution, Violation
from hocket.report.document import (
    Comparison,
    Difference,
    Direction,
    Estimate,
    Failure,
    comparison_of,
)

PIPE_WIDTH = 160
"""Columns assumed when the output is no terminal and COLUMNS does not say."""


def show(*parts: RenderableType, file: IO[str] | None = None, width: int | None = None) -> None:
    """Print to `file` (standard output): coloured on a terminal, plain text without ANSI elsewhere.

    `width` overrides the number of columns.
    """
    stream = file if file is not None else sys.stdout
    if width is None and not stream.isatty() and "COLUMNS" not in os.environ:
        width = PIPE_WIDTH
    console = Console(file=stream, width=width, highlight=False, emoji=False)
    for part in parts:
        if console.is_terminal:
            console.print(part)
        else:  # a log needs no blanks at the ends of lines
            with console.capture() as capture:
                console.print(part)
            stream.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


Units = Mapping[str, str] | None
"""Units of metrics by name, where their domain says them."""


def metrics(values: Mapping[str, float], title: str = "", units: Units = None) -> RenderableType:
    """The metrics of one run, one to a line."""
    rows = [(Text(_words(name)), Text(number(value))) for name, value in values.items()]
    columns = [_Column("metric"), _Column("value", "number")]
    if not units:
        return _Sheet(title, columns, rows)
    told = [(*row, Text(units.get(name, ""))) for name, row in zip(values, rows, strict=True)]
    return _Sheet(title, [*columns, _Column("unit", "word")], told)


def comparison(
    rows: Iterable[Any],
    differences: Iterable[Any] = (),
    *,
    failures: Iterable[Any] = (),
    better: Mapping[str, Direction] | None = None,
    units: Units = None,
) -> RenderableType:
    """Policies by metric, a table for each scenario; then paired differences, and failed runs.

    The rows are mappings or objects with the fields of `document.Estimate`, `Difference` and
    `Failure`. A star marks the best mean of each metric whose good direction `better` tells.
    """
    compared = comparison_of(rows, differences, failures, better)
    parts: list[RenderableType] = [
        _Estimates(compared, scenario, units)
        for scenario in dict.fromkeys(row.scenario for row in compared.estimates)
    ]
    parts += [
        _differences(scenario, [row for row in compared.differences if row.scenario == scenario])
        for scenario in dict.fromkeys(row.scenario for row in compared.differences)
    ]
    if compared.failures:
        parts.append(_failures(compared.failures))
    return Group(*parts)


def solution(found: Solution) -> RenderableType:
    """What a solver found and proved, and what the independent checker says of it."""
    gap = found.gap
    facts = [
        ("status", found.status),
        ("value", number(found.value)),
        ("bound", number(found.bound)),
        ("gap", "-" if gap is None else f"{gap:.2%}"),
        ("seconds", number(found.seconds)),
        ("solver", found.solver or "-"),
    ]
    if found.reason:
        facts.append(("reason", found.reason))
    rows = [
        (Text(label), Text(value, style="bold green" if value == "optimal" else ""))
        for label, value in facts
    ]
    title = f"{found.scenario}: {_words(found.objective)}"
    sheet = _Sheet(title, (_Column(""), _Column("")), rows)
    return sheet if found.timeline is None else Group(sheet, violations(found.violations))


EVIDENCE = 20
"""Rows of evidence that are shown where there are more."""


def evidence(found: Solution, shown: int = EVIDENCE) -> Iterator[RenderableType]:
    """What a solver looked at, what to do, the first rows of each, and the advice."""
    if found.evidence:
        yield _rows("evidence", "rows", found.evidence, found.shown, shown)
    if found.plan is None:
        return
    if found.plan.steps:
        yield steps(found.plan.steps, shown)
    for line in found.plan.advice:
        yield Text(line)


def steps(rows: Sequence[Row], shown: int = EVIDENCE) -> RenderableType:
    """What to do, in order: the first `shown` steps of a plan."""
    return _rows("plan", "steps", rows, (), shown)


def _rows(
    title: str, what: str, rows: Sequence[Row], names: Sequence[str], shown: int
) -> RenderableType:
    names = names or list(dict.fromkeys(name for row in rows for name in row))
    columns = [_evidence_column(name, [row.get(name) for row in rows[:shown]]) for name in names]
    cells = list(zip(*(column.cells for column in columns), strict=True))
    more = f"; all are in --json, these {shown}" if len(rows) > shown else ""
    return _Sheet(f"{title}: {len(rows)} {what}{more}", [c.head for c in columns], cells)


class _Cells(NamedTuple):
    head: _Column
    cells: list[Text]


def _evidence_column(name: str, values: Sequence[Any]) -> _Cells:
    """A column of numbers with the same decimals, or of texts."""
    numbers = [v for v in values if isinstance(v, int | float)]
    if not numbers or any(isinstance(value, str) for value in values):
        cells = [Text("" if value is None else str(value)) for value in values]
        return _Cells(_Column(_words(name)), cells)
    write = alike(numbers)
    cells = [Text("" if value is None else write(value)) for value in values]
    return _Cells(_Column(_words(name), "number"), cells)


def violations(found: Iterable[Violation], shown: int = 20) -> Text:
    """The checker's verdict: one line when all is well, else the first `shown` violations."""
    broken = list(found)
    if not broken:
        return Text("check: no violation", style="green")
    text = Text(f"check: {len(broken)} violation{'s' if len(broken) > 1 else ''}", style="bold red")
    for violation in broken[:shown]:
        text.append(f"\n  {violation}", style="not bold")
    if len(broken) > shown:
        text.append(f"\n  ... and {len(broken) - shown} more", style="not bold")
    return text


def claims(found: Iterable[Claim], title: str = "") -> RenderableType:
    """Published figures beside ours: published, measured, label, and whether the claim holds."""
    rows = list(found)
    columns = [
        _Column("claim"),
        _Column("published", "number"),
        _Column("measured", "number"),
        _Column("label", "word"),
        _Column("holds", "word"),
    ]
    if any(claim.note for claim in rows):
        columns.append(_Column("note"))
    cells = [
        (
            Text(claim.name),
            Text(_figure(claim.published)),
            Text(_figure(claim.measured)),
            Text(claim.fidelity),
            Text("yes", style="green") if claim.holds else Text("no", style="bold red"),
            Text(claim.note),
        )[: len(columns)]
        for claim in rows
    ]
    return _Sheet(title, columns, cells)


def listing(entries: Sequence[Mapping[str, str]], title: str = "") -> RenderableType:
    """Named things with what there is to say of each; columns that are empty throughout go."""
    names = list(dict.fromkeys(name for entry in entries for name in entry))
    names = [name for name in names if any(entry.get(name) for entry in entries)]
    rows = [tuple(Text(entry.get(name, "")) for name in names) for entry in entries]
    return _Sheet(title, [_Column(name) for name in names], rows)


def number(value: float | None) -> str:
    """A number as people read it: ``12,345``, ``0.7312``, ``1.2e-07``, ``-`` when there is none."""
    return alike([value])(value)


def alike(
    values: Iterable[float | None], spreads: Iterable[float] = ()
) -> Callable[[float | None], str]:
    """A way to write all of `values` with the same decimals.

    Two digits of the smallest of `spreads`, the half widths of the values' intervals, are shown;
    four digits of the largest value when no spread is known.
    """
    known = [abs(value) for value in values if value is not None and math.isfinite(value)]
    largest = max(known, default=0.0)
    tiny = 0 < largest < 1e-4
    exact = all(value == int(value) for value in known)
    digits = 0 if exact or tiny else 3 - math.floor(math.log10(largest))
    narrowest = min((spread for spread in spreads if spread > 0), default=None)
    if narrowest is not None:
        digits = 1 - math.floor(math.log10(narrowest))
    digits = max(0, min(8, digits))

    def write(value: float | None) -> str:
        if value is None or math.isnan(value):
            return "-"
        if tiny or abs(value) >= 1e15:
            return f"{value:.3g}"
        return f"{value:,.{digits}f}"

    return write


class _Column(NamedTuple):
    """`number` and `word` columns keep their lines whole, `text` columns fold when they must."""

    head: str
    holds: Literal["text", "number", "word"] = "text"


class _Sheet:
    """Rows under heads; on a terminal too narrow for that, one record for each row."""

    def __init__(
        self, title: str, columns: Sequence[_Column], rows: Sequence[Sequence[Text]]
    ) -> None:
        self.title, self.columns, self.rows = title, columns, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.title:
            yield Text(self.title, style="bold")
        if self._least() <= options.max_width:
            yield self._table()
        else:
            yield from self._records()

    def _least(self) -> int:
        """The columns that are needed when texts fold as far as is readable."""
        least = 0
        for i, column in enumerate(self.columns):
            longest = max([len(column.head), *(len(row[i]) for row in self.rows)])
            least += 3 + (min(longest, 14) if column.holds == "text" else longest)
        return least

    def _table(self) -> Table:
        named = any(column.head for column in self.columns)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=named)
        for column in self.columns:
            table.add_column(
                Text(column.head),
                justify="right" if column.holds == "number" else "left",
                no_wrap=column.holds != "text",
                overflow="fold",
            )
        for row in self.rows:
            table.add_row(*row)
        return table

    def _records(self) -> Iterator[Text]:
        for row in self.rows:
            for column, cell in zip(self.columns, row, strict=True):
                if cell.plain.strip():
                    head = f"{column.head}: " if column.head else ""
                    yield Text.assemble(Text(f"  {head}", style="dim"), cell, overflow="fold")
            yield Text("")


class _Estimates:
    """Policies by metrics. Metrics that do not fit side by side go to further tables below."""

    def __init__(self, compared: Comparison, scenario: str, units: Units = None) -> None:
        rows = [row for row in compared.estimates if row.scenario == scenario]
        counts = sorted({row.n for row in rows})
        runs = "/".join(map(str, counts)) + (" run" if counts == [1] else " runs")
        meaning = ", mean ± half of the interval" if any(map(half, rows)) else ""
        self.title = f"{scenario} ({runs}{meaning})"
        self.policies = list(dict.fromkeys(row.policy for row in rows))
        self.cells: dict[str, list[Text]] = {}
        self.heads: dict[str, str] = {}
        for metric in dict.fromkeys(row.metric for row in rows):
            found = {row.policy: row for row in rows if row.metric == metric}
            best = _best(found.values(), compared.better.get(metric))
            write = alike((row.mean for row in found.values()), map(half, found.values()))
            unit = (units or {}).get(metric, "")
            self.heads[metric] = _words(metric) + (
                f" ({unit})" if unit not in ("", "share") else ""
            )
            self.cells[metric] = [_estimate(found.get(p), best, write) for p in self.policies]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        title = self.title
        for metrics in self._fitting(options.max_width):
            columns = [
                _Column("policy"),
                *(_Column(self.heads[name], "number") for name in metrics),
            ]
            rows = [
                [Text(policy), *(self.cells[name][i] for name in metrics)]
                for i, policy in enumerate(self.policies)
            ]
            yield _Sheet(title, columns, rows)
            title = ""

    def _fitting(self, width: int) -> Iterator[list[str]]:
        """The metrics in groups that fit beside the policies' names, at least one in each."""
        longest = max(map(len, self.policies), default=0)
        room = width - min(longest, max(14, width // 3)) - 3
        group: list[str] = []
        used = 0
        for metric, cells in self.cells.items():
            needed = max(len(self.heads[metric]), *map(len, cells)) + 3
            if group and used + needed > room:
                yield group
                group, used = [], 0
            group.append(metric)
            used += needed
        if group:
            yield group


def _best(rows: Iterable[Estimate], direction: Direction | None) -> float | None:
    means = [row.mean for row in rows if row.mean is not None]
    if direction is None or len(means) < 2:
        return None
    return min(means) if direction == "lower" else max(means)


def half(row: Estimate | Difference) -> float:
    """Half the width of a confidence interval; 0 when it is not known."""
    return 0.0 if row.low is None or row.high is None else (row.high - row.low) / 2


def _estimate(
    row: Estimate | None, best: float | None, write: Callable[[float | None], str]
) -> Text:
    if row is None:
        return Text("-")
    text = write(row.mean)
    if row.low is not None and row.high is not None:
        text += f" ± {write(half(row))}"
    if best is not None and row.mean == best:
        return Text(f"{text} *", style="bold green")
    return Text(f"{text}  " if best is not None else text)


def _differences(scenario: str, rows: Sequence[Difference]) -> _Sheet:
    title = f"{scenario}: paired differences on the same workloads (~ the interval spans zero)"
    cells = []
    for row in rows:
        kin = [other for other in rows if other.metric == row.metric]
        write = alike((other.mean for other in kin), map(half, kin))
        unclear = row.low is not None and row.high is not None and row.low <= 0 <= row.high
        names = (_words(row.metric), row.policy, row.versus)
        figures = (write(row.mean), write(row.low), write(row.high), "~" if unclear else "")
        cells.append([Text(cell) for cell in (*names, *figures)])
    columns = [_Column(head) for head in ("metric", "policy", "minus")]
    columns += [_Column(head, "number") for head in ("mean", "low", "high")]
    return _Sheet(title, [*columns, _Column("", "word")], cells)


def _failures(rows: Sequence[Failure], shown: int = 20) -> _Sheet:
    more = f", the first {shown}" if len(rows) > shown else ""
    columns = [_Column("scenario"), _Column("policy"), _Column("seed", "number"), _Column("error")]
    cells = [
        [Text(row.scenario), Text(row.policy), Text(str(row.seed)), Text(row.error)]
        for row in rows[:shown]
    ]
    return _Sheet(f"failed runs: {len(rows)}{more}", columns, cells)


def _figure(value: float | str | None) -> str:
    return value if isinstance(value, str) else number(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
