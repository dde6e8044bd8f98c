"""When a machine, link or node is down: an alternating renewal process."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

import msgspec
import numpy as np

from hocket.core.disturb.checks import positive
from hocket.core.scenario import LONGEST

Law: TypeAlias = Literal["exponential", "gamma", "weibull", "fixed"]
"""The distribution of a time to failure or to repair."""


class Breakdowns(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="breakdowns",
):
    """Up for a while, down for a while, starting up at tick 0.

    `mean_up` and `mean_down` are in ticks (MTBF and MTTR), `up` and `down` name the distributions.
    `up_shape` and `down_shape` are the shape of a gamma or Weibull: 1 is exponential, above 1 wears
    out (failures come at a more regular age), below 1 fails early. A fixed law has no shape.

    Each stay is rounded to whole ticks and lasts one at least, so means of a few ticks come out
    somewhat longer than stated.
    """

    mean_up: float
    mean_down: float
    up: Law = "exponential"
    down: Law = "exponential"
    up_shape: float = 1.0
    down_shape: float = 1.0

    def __post_init__(self) -> None:
        for side, mean, law, shape in (
            ("up", self.mean_up, self.up, self.up_shape),
            ("down", self.mean_down, self.down, self.down_shape),
        ):
            positive(f"mean_{side}", mean)
            if mean > LONGEST:
                raise ValueError(f"mean_{side} is {mean:g} ticks, above the longest time, 2^40")
            positive(f"{side}_shape", shape)
            if law not in ("exponential", "gamma", "weibull", "fixed"):
                raise ValueError(
                    f"{side} must be exponential, gamma, weibull or fixed, not {law!r}"
                )
            if law == "weibull" and shape < 0.01:
                raise ValueError(f"{side}_shape of a Weibull must be at least 0.01, not {shape!r}")
            if shape != 1 and law not in ("gamma", "weibull"):
                raise ValueError(f"{side}_shape = {shape!r} has no meaning for {side} = {law!r}")

    @property
    def availability(self) -> float:
        """The long-run share of time up, ``mean_up / (mean_up + mean_down)``.

        Holds for any two distributions (Barlow & Proschan, Mathematical Theory of Reliability,
        1965, section 5.2).
        """
        return self.mean_up / (self.mean_up + self.mean_down)

    def windows(
        self, rng: np.random.Generator, until: int | None = None
    ) -> Iterator[tuple[int, int]]:
        """Yield ``(down_at, up_at)`` in ticks, drawn one by one as they are asked for.

        Ends before the first window that starts at `until` or later; endless if that is None.
        """
        stay_up = _stay(rng, self.up, self.mean_up, self.up_shape)
        stay_down = _stay(rng, self.down, self.mean_down, self.down_shape)
        time = 0
        while True:
            down_at = time + stay_up()
            if until is not None and down_at >= until:
                return
            time = down_at + stay_down()
            yield down_at, time


def _stay(rng: np.random.Generator, law: Law, mean: float, shape: float) -> Callable[[], int]:
    """A function that draws the ticks of one stay."""
    draw: dict[Law, Callable[[], float]] = {
        "exponential": lambda: rng.exponential(mean),
        "gamma": lambda: rng.gamma(shape, mean / shape),
        "weibull": lambda: mean / math.gamma(1 + 1 / shape) * rng.weibull(shape),
        "fixed": lambda: mean,
    }
    return lambda: max(1, round(draw[law]()))
