"""What a twin contributes to a report: measured beside predicted, as tables, curves and strips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hocket.report.document import Estimate
from hocket.report.figures import Axis, Given, Plot
from hocket.report.lines import distribution
from hocket.serving import memory
from hocket.serving.calibrate import Error, Times
from hocket.serving.cost.protocol import Floats
from hocket.serving.figures import PARTS
from hocket.serving.strips import strips
from hocket.serving.twin.compare import Twin
from hocket.serving.twin.prospect import Prospect
from hocket.serving.twin.served import statistics

MEASURED, TWIN = "measured", "twin"
RAN, PREDICTED, REAL = "as it ran", "predicted", "really run"
UNSEEN = "requests not seen"


def facts(found: Twin, prospect: Prospect | None = None) -> dict[str, str]:
    """What was compared and what came out, line by line."""
    served, meta = found.served, found.calibration.meta
    told = {
        "log": f"{served.source}: {len(served)} requests",
        "engine": f"{memory.blocks(served.pool)} blocks of {served.pool.block_size} tokens",
        "policy": str(served.policy),
        "fitted to": _fitted(found),
        "compared": f"{len(served) - found.cut} later requests; the earlier ones are the warm-up",
        "target": f"{found.target:.0%} on means, 90th percentiles and the makespan: "
        + verdict(found.missed),
    }
    if "spread of one iteration" in meta:
        told["spread"] = f"two thirds of iterations within {meta['spread of one iteration']:.0%}"
    if found.slower is not None:
        told["speed"] = speed(found.slower)
    if prospect is not None:
        told["what if"] = prospect.label
        if prospect.real is not None:
            told["really run"] = f"{prospect.real.source}: {verdict(prospect.missed)}"
        if prospect.slower is not None:
            told["its speed"] = speed(prospect.slower)
    notes = (*served.notes, *(prospect.notes if prospect else ()))
    return told | ({"notes": "; ".join(notes)} if notes else {})


def verdict(missed: Sequence[Error]) -> str:
    """Met, or what misses the target, and by how much it is off."""
    if not missed:
        return "met"
    return "missed by " + ", ".join(f"{name(row)} {row.error:+.1%}" for row in missed)


def speed(slower: float) -> str:
    """How the iterations compared with the model fitted to those before."""
    if abs(slower) < 0.005:
        return "iterations took as long as the model says"
    word = "longer" if slower > 0 else "less"
    return f"iterations took {abs(slower):.1%} {word} than the model says that was fitted before"


def name(row: Error) -> str:
    """A statistic in words: ``ttft p90``."""
    return row.metric if row.metric == "makespan" else f"{row.metric} {row.statistic}"


def figures(found: Twin, prospect: Prospect | None = None) -> tuple[Given, ...]:
    """Distributions of the requests not seen, those of what would be, and the engine over time."""
    measured, predicted = found.halves()
    pictures: list[Given] = list(_curves(UNSEEN, {MEASURED: measured, TWIN: predicted}))
    told = [(MEASURED, found.served.timeline, found.served.scenario)]
    told.append((TWIN, found.timeline, found.served.scenario))
    if prospect is not None:
        told.append((PREDICTED, prospect.timeline, prospect.scenario))
        if prospect.real is not None:
            told.append((REAL, prospect.real.timeline, prospect.real.scenario))
        pictures += _curves(f"What if: {prospect.label}", _sides(found, prospect))
    pictures += [
        strips(scenario, label, timeline)
        for label, timeline, scenario in told
        if timeline is not None and scenario.gauge_every
    ]
    return tuple(pictures)


def estimates(found: Twin) -> list[Estimate]:
    """Every statistic of the requests not seen, measured and predicted; in seconds."""
    measured, predicted = found.halves()
    return list(_estimates(UNSEEN, {MEASURED: measured, TWIN: predicted}))


def prospects(found: Twin, prospect: Prospect) -> list[Estimate]:
    """Every statistic of all requests: as they ran, as they would, and as they did if tried."""
    return list(_estimates(prospect.label, _sides(found, prospect)))


def _sides(found: Twin, prospect: Prospect) -> dict[str, Times]:
    sides = {RAN: found.served.times, PREDICTED: prospect.predicted}
    return sides if prospect.real is None else sides | {REAL: prospect.real.times}


def _fitted(found: Twin) -> str:
    meta = found.calibration.meta
    if "iterations" in meta:
        count = f"{meta['iterations']} iterations"
        return f"{count} before request {found.cut + 1} of {len(found.served)} arrived"
    return f"the times of the first {found.cut} requests"


def _curves(group: str, times: dict[str, Times]) -> Iterator[Plot]:
    """The share of requests up to each time, one plot for each kind of time."""
    for part, (title, meaning) in PARTS.items():
        columns = {label: _known(getattr(found, part)) for label, found in times.items()}
        if not all(len(column) for column in columns.values()):
            continue
        yield Plot(
            group=group,
            title=title,
            caption=f"Of all answered requests, the share for which {meaning} is at most so long.",
            x=Axis(
                label=title.lower(),
                kind="seconds",
                log=all(float(column.min()) > 0 for column in columns.values()),
            ),
            y=Axis(label="share of requests", kind="share", low=0, high=1),
            style="steps",
            lines=tuple(distribution(label, column) for label, column in columns.items()),
        )


def _estimates(scenario: str, times: dict[str, Times]) -> Iterator[Estimate]:
    for label, found in times.items():
        for (metric, statistic), value in statistics(found).items():
            told = metric if metric == "makespan" else f"{metric}_{statistic}"
            yield Estimate(scenario, label, told, value, None, None, 1)  # one run


def _known(column: Floats) -> Floats:
    found: Floats = column[~np.isnan(column)]
    return found
