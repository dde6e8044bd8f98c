"""When a placement no longer fits the workload, and what it costs to change it.

A plan is made for a rate and for lengths. `Window` remembers what came lately, `shift` says whether
that still is what was planned for, and `Change` what a new plan asks for: instances that have to
load weights, which takes minutes where the search takes seconds.

Source: Zhong et al., DistServe, OSDI 2024, section 4.3, "Replaning". The paper names what is
watched (mean lengths, arrival rate) and not when a shift counts as significant: threshold and
window are ours.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hocket.core.errors import UserError
from hocket.serving import catalogue
from hocket.serving.disaggregation.configurations import Parallel
from hocket.serving.disaggregation.placement import Plan

Ints = npt.NDArray[np.int64]


class Traffic(NamedTuple):
    """A workload as a plan sees it: requests per second, and tokens, as means and P90."""

    rate: float
    prompt: float
    output: float
    prompt_p90: float
    output_p90: float


def traffic(seconds: float, prompt: npt.ArrayLike, output: npt.ArrayLike) -> Traffic:
    """The traffic of requests with these tokens, all of which came within `seconds`.

    `prompt` and `output` need not be equally many: answers are known later. Raises UserError for
    nothing at all.
    """
    prompts, outputs = np.asarray(prompt), np.asarray(output)
    if not len(prompts) or not len(outputs) or seconds <= 0:
        raise UserError("traffic needs at least one prompt, one answer, and some time")
    return Traffic(
        len(prompts) / seconds,
        float(prompts.mean()),
        float(outputs.mean()),
        float(np.quantile(prompts, 0.9)),
        float(np.quantile(outputs, 0.9)),
    )


def shift(planned: Traffic, seen: Traffic, threshold: float = 0.3) -> str:
    """What has changed by more than the factor ``1 + threshold``, up or down; empty if nothing.

    The largest change is named.
    """
    changes = [
        (max(now / was, was / now) if now and was else float("inf"), name, was, now)
        for name, was, now in zip(Traffic._fields, planned, seen, strict=True)
    ]
    factor, name, was, now = max(changes)
    if factor <= 1 + threshold:
        return ""
    return f"{name.replace('_', ' ')} went from {was:.4g} to {now:.4g}"


class Window:
    """The requests of the last `length` time units: arrivals at once, lengths when known.

    It never holds more than `most` of either, so that its memory is bounded.
    """

    def __init__(self, length: float, most: int = 10_000) -> None:
        self.length = length
        self._arrivals: deque[tuple[float, int]] = deque(maxlen=most)
        self._finished: deque[tuple[float, int, int]] = deque(maxlen=most)

    def arrive(self, now: float, prompt: int) -> None:
        """A request has come. Times do not decrease."""
        self._arrivals.append((now, prompt))

    def finish(self, now: float, prompt: int, output: int) -> None:
        """A request is answered. Times do not decrease."""
        self._finished.append((now, prompt, output))

    def forget(self, now: float) -> None:
        """Drop what is older than the window."""
        while self._arrivals and self._arrivals[0][0] <= now - self.length:
            self._arrivals.popleft()
        while self._finished and self._finished[0][0] <= now - self.length:
            self._finished.popleft()

    def traffic(self, now: float, unit: float = 1.0) -> Traffic | None:
        """What the window holds, `unit` being the time units of a second; None if too little."""
        self.forget(now)
        if not self._arrivals or not self._finished:
            return None
        span = self.length
        if len(self._arrivals) == self._arrivals.maxlen:
            span = max(now - self._arrivals[0][0], 1e-9)
        prompts = [prompt for _, prompt in self._arrivals]
        return traffic(span / unit, prompts, [output for _, _, output in self._finished])

    def rows(self) -> Ints:
        """Prompt and output of every request answered in the window, shape (n, 2)."""
        return np.array([row[1:] for row in self._finished], dtype=np.int64).reshape(-1, 2)


class Change(NamedTuple):
    """From one plan to the next: instances to start and to stop by cut, and how long that takes.

    An instance that keeps its cut keeps its weights, also if it changes its phase.
    """

    start: dict[Parallel, int]
    stop: dict[Parallel, int]
    seconds: float


def change(before: Plan, after: Plan, model: str, bandwidth: float) -> Change:
    """What it takes to get from one plan to another for a model of the catalogue.

    `bandwidth` is in GB/s from storage to the GPUs of one instance; instances load side by side, so
    the slowest counts. Raises UnknownName.
    """
    have, want = _instances(before), _instances(after)
    start = {cut: n - have[cut] for cut, n in want.items() if n > have[cut]}
    stop = {cut: n - want[cut] for cut, n in have.items() if n > want[cut]}
    return Change(start, stop, reload_seconds(model, bandwidth) if start else 0.0)


def reload_seconds(model: str, bandwidth: float) -> float:
    """How long one instance takes to load the weights of a model at `bandwidth` GB/s.

    >>> round(reload_seconds("opt-66b", 2.0))
    66
    """
    shape = catalogue.model(model)
    return shape.parameters * shape.dtype_bytes / (bandwidth * 1e9)


def pays(now: float, then: float, seconds: float, horizon: float) -> bool:
    """Whether a new plan saves GPU time within `horizon` seconds.

    `now` and `then` are the GPUs of the two plans; for the `seconds` that weights load, both are
    held. A plan that no longer keeps the target is to be left whatever that costs.
    """
    return then * horizon + now * min(seconds, horizon) < now * horizon


def _instances(plan: Plan) -> Counter[Parallel]:
    found = Counter({plan.prefill: plan.copies})
    if plan.decode is not None:
        found[plan.decode] += plan.decode_copies
    return found
