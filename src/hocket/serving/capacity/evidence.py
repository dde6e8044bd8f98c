"""The evidence of a search: one row for each fleet that was looked at.

Of a run that was stopped early `attainment` is the most that it could have become.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hocket.core.solution import Row
from hocket.serving.capacity.fleet import Configuration, Counts, Cut, Excluded, tokens_of
from hocket.serving.capacity.probe import Outcome

MEETS = "meets the SLO"
FIGURES = ("attainment", "ttft_p99", "tpot_p99", "verdict")
SHOWN_PRICE = ("fleet", "policy", "price", *FIGURES)
SHOWN_RATE = ("fleet", "policy", "rate", *FIGURES)
"""The columns of a table on a terminal."""


def described(one: Configuration, counts: Counts | None) -> dict[str, Any]:
    """What a fleet is; without counts, the configuration alone."""
    return _what(one.gpu, one.cuts, counts) | {
        "policy": str(one.policy),
        "tokens": tokens_of(one.policy),
        "replicas": "+".join(map(str, counts)) if counts else None,
        "gpus": one.gpus(counts) if counts else None,
    }


def measured(outcome: Outcome) -> dict[str, Any]:
    """What a simulation says of a fleet."""
    return {
        "attainment": outcome.attainment,
        "ttft_p90": outcome.ttft_p90,
        "ttft_p99": outcome.ttft_p99,
        "tpot_p90": outcome.tpot_p90,
        "tpot_p99": outcome.tpot_p99,
        "goodput": outcome.goodput,
        "verdict": verdict(outcome),
    }


def verdict(outcome: Outcome) -> str:
    """Whether a fleet meets the SLO, and if not, what it lacks."""
    if outcome.meets:
        return MEETS
    if outcome.limit == "error":
        return f"failed: {outcome.error}"
    text = f"misses {outcome.limit}"
    if outcome.limit == "rejected":
        text = "rejects requests that are too long for it"
    return f"{text}, stopped early" if outcome.stopped else text


def unfit(one: Excluded) -> Row:
    """The row of a configuration that cannot be built."""
    return {**_what(one.gpu, one.cuts), "policy": one.policy or None, "verdict": one.why}


def ordered(rows: Sequence[Row]) -> tuple[Row, ...]:
    """What meets the SLO first, the cheapest, the highest rates and the best attained in front;
    what was not run last.
    """

    def key(row: Row) -> tuple[bool, bool, float, float]:
        price, attainment = row.get("price", -row.get("rate", -math.inf)), row.get("attainment")
        return (
            row.get("verdict") != MEETS,
            attainment is None,
            float(price),
            0.0 if attainment is None else -float(attainment),
        )

    return tuple(sorted(rows, key=key))


def _what(gpu: str, cuts: tuple[Cut, ...], counts: Counts | None = None) -> dict[str, Any]:
    if not cuts:
        return {"fleet": "as it is", "gpu": gpu}
    tp, pp = ("+".join(str(getattr(cut, way)) for cut in cuts) for way in ("tp", "pp"))
    fleet = "+".join(map(str, counts)) + f" x {gpu}" if counts else gpu
    fleet += f" TP {tp}" if any(cut.tp > 1 for cut in cuts) else ""
    fleet += f" PP {pp}" if any(cut.pp > 1 for cut in cuts) else ""
    split = "colocated" if len(cuts) == 1 else "disaggregated"
    return {"fleet": fleet, "gpu": gpu, "split": split, "tp": tp, "pp": pp}
