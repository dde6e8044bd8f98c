"""Scenarios that name a log: what ``workload: {kind: log, path: ...}`` stands for.

    workload: {kind: log, path: azure.csv, rate_scale: 2.0, first: 1000, count: 500}

- `path`: the log, relative to the scenario's file, in any format of this package
- `first`: requests of the log that are passed over; `count`: how many are taken, all if not said
- `rate_scale`: how many times as many requests come per second as in the log
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np

from hocket.core import files
from hocket.core.errors import InputError, Problem, did_you_mean
from hocket.core.findings import Findings
from hocket.core.scenario import TimeUnit
from hocket.serving.formats import FORMATS, LOGS, lengths
from hocket.serving.formats.log import Log, trace_of
from hocket.serving.workload import Random, Trace, faster

_OPTIONS = ("path", "rate_scale", "first", "count")
_HEAD = 2**16


def expand_workload(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The data of a scenario with the log that its workload names read and put in its place.

    Data whose workload is of another kind are returned as they are. Raises InputError for options
    that are wrong (without a source), and for what is wrong in the log, naming its lines.
    """
    workload = data.get("workload")
    if not isinstance(workload, dict) or workload.get("kind") != "log":
        return data
    if problems := list(_problems(workload)):
        raise InputError("", problems)
    options = {key: workload[key] for key in _OPTIONS[1:] if key in workload}
    unit: Any = data.get("time_unit")
    sound = unit in get_args(TimeUnit) and unit != "tick"  # if not, whoever looks at types tells
    found = read_workload(folder / workload["path"], unit=unit if sound else "us", **options)
    return data | {"workload": msgspec.json.decode(msgspec.json.encode(found))}


def read_workload(
    path: str | Path,
    *,
    unit: str = "us",
    first: int = 0,
    count: int | None = None,
    rate_scale: float = 1.0,
) -> Trace | Random:
    """The requests of a log, with times in ticks of `unit`.

    `first` and `count` choose a part, which then starts at 0; `rate_scale` moves arrivals closer
    together. Of a file of lengths without times, `count` requests are drawn, `rate_scale` per
    second. Raises InputError.
    """
    text, source = files.text(path), files.display(path)
    head, name = text[:_HEAD], files.plain_name(path)
    findings = Findings(source)
    fitting = next((form for form in FORMATS if form.sniff(name, head)), None)
    if fitting is None:
        known = "; ".join(f"{form.name}: {form.summary}" for form in FORMATS)
        raise InputError(source, [f"not recognised as a request log ({known})"])
    if fitting is lengths.FORMAT:
        drawn = lengths.parse(text, findings)
        drawn = drawn if count is None else msgspec.structs.replace(drawn, count=count)
        return faster(drawn, rate_scale)
    log = next(log for log in LOGS if log.format is fitting).parse(text, findings)
    part = _part(log, first, count, findings)
    sooner = msgspec.structs.replace(part, arrival=part.arrival / rate_scale)
    return trace_of(sooner, unit, findings)


def _part(log: Log, first: int, count: int | None, findings: Findings) -> Log:
    if not first and count is None:
        return log
    there = len(log.prompt)
    if first >= there:
        findings.add(f"it has {there} requests; none is left after the first {first}")
    findings.stop_if_any()
    part = log.picked(np.arange(first, there if count is None else min(there, first + count)))
    return msgspec.structs.replace(part, arrival=part.arrival - part.arrival[0])


def _problems(workload: dict[str, Any]) -> Iterator[Problem]:
    """What is wrong with the options."""
    for key in workload:
        if key not in ("kind", *_OPTIONS):
            near = did_you_mean(str(key), _OPTIONS) or f"; there is {', '.join(_OPTIONS)}"
            yield Problem(f"workload.{key}", f"unknown field{near}")
    path = workload.get("path")
    if not isinstance(path, str) or not path:
        yield Problem("workload.path", "missing; it names the log, e.g. path: azure.csv")
    for key, least in (("first", 0), ("count", 1)):
        value = workload.get(key, least)
        if type(value) is not int or not least <= value <= 10**7:
            message = f"expected a whole number from {least} to 10^7, got {value!r:.40}"
            yield Problem(f"workload.{key}", message)
    scale = workload.get("rate_scale", 1.0)
    if type(scale) not in (int, float) or not (math.isfinite(scale) and 1e-6 <= scale <= 1e6):
        message = f"expected a number from 10^-6 to 10^6, got {scale!r:.40}"
        yield Problem("workload.rate_scale", message)
