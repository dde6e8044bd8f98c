"""The figures of a run of an analytics application: responses, by user and by size, and fairness.

Deadline violations and slack are those of D. Kažemaks, L. Versluis, B. Ozkan, J. Decouchant, arXiv
2510.15485: a job's deadline is when it is done under user-job fair sharing, which gives every user
the same share whatever the number of jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil

import numpy as np
import numpy.typing as npt

from hocket.cluster.metrics.analytics_jobs import (
    Answer,
    Yardstick,
    answers,
    classes,
    yardstick,
)
from hocket.cluster.model.analytics import Analytics
from hocket.cluster.units import seconds_per_tick
from hocket.core.domain import Measure
from hocket.core.stats import jain
from hocket.core.timeline import Timeline

Floats = npt.NDArray[np.float64]

SIZES = {"small": (0.0, 0.8), "medium": (0.8, 0.95), "large": (0.95, 1.0)}
"""Classes of jobs: which shares of them, ordered by their work."""

METRICS: dict[str, Measure] = {
    "mean_response": Measure(
        "s", "lower", "from a job's submission until it is done, mean", shown=True
    ),
    "response_p50": Measure("s", "lower", "response: median"),
    "response_p95": Measure("s", "lower", "response: 95th percentile", shown=True),
    "response_worst": Measure("s", "lower", "response: mean of the worst tenth of the jobs"),
    "response_light": Measure(
        "s", "lower", "mean response of the users, or the group, with the least work", shown=True
    ),
    "response_heavy": Measure(
        "s", "lower", "mean response of the users, or the group, with the most work", shown=True
    ),
    "response_small": Measure("s", "lower", "mean response of the smallest 80 % of the jobs"),
    "response_medium": Measure("s", "lower", "mean response of the next 15 % of the jobs"),
    "response_large": Measure("s", "lower", "mean response of the largest 5 % of the jobs"),
    "slowdown": Measure(
        "", "lower", "response over that of the same job with all cores to itself, mean", shown=True
    ),
    "dvr": Measure(
        "",
        "lower",
        "deadline violation ratio: of jobs done later than under user-job fair sharing, how much "
        "later over their response there, mean",
        shown=True,
    ),
    "dsr": Measure(
        "", "lower", "deadline slack ratio: the same of jobs done earlier; negative", shown=True
    ),
    "violations": Measure("share", "lower", "jobs done later than under user-job fair sharing"),
    "makespan": Measure("s", "lower", "until the last job is done", shown=True),
    "jain": Measure(
        "", "higher", "Jain's index of the users' mean slowdowns: 1 if all are equal", shown=True
    ),
    "utilisation": Measure("share", "", "of all cores, the time until then that they run tasks"),
}
"""Every key of `metrics`, in the order in which they are shown."""


def metrics(scenario: Analytics, timeline: Timeline) -> dict[str, float]:
    """The figures of `METRICS`, all finite.

    A class of sizes into which no job falls, as there are too few, shows the one below it. The
    scenario is simulated under user-job fair sharing too, once for all runs in a row.
    """
    jobs = answers(scenario, timeline)
    if not jobs:
        return dict.fromkeys(METRICS, 0.0)
    second = seconds_per_tick(scenario.time_unit)
    against = yardstick(scenario)
    response = np.array([job.response for job in jobs], dtype=np.float64) * second
    ratios = deviations(jobs, against)
    makespan = max(job.done for job in jobs)
    busy = sum(span.end - span.start for span in timeline.spans("run"))
    light, heavy = _extremes(scenario, jobs)
    figures = {
        "mean_response": response.mean(),
        "response_p50": np.percentile(response, 50),
        "response_p95": np.percentile(response, 95),
        "response_worst": worst(response),
        "response_light": light * second,
        "response_heavy": heavy * second,
        **{f"response_{name}": value * second for name, value in by_size(jobs).items()},
        "slowdown": slowdowns(jobs, against).mean(),
        "dvr": _mean(ratio for ratio in ratios if ratio > 0),
        "dsr": _mean(ratio for ratio in ratios if ratio < 0),
        "violations": _mean(ratio > 0 for ratio in ratios),
        "makespan": makespan * second,
        "jain": jain(list(_by_user(jobs, slowdowns(jobs, against)).values())),
        "utilisation": busy / (scenario.cores * makespan) if makespan else 0,
    }
    return {name: float(figures[name]) for name in METRICS}


def worst(values: Floats, share: float = 0.1) -> float:
    """The mean of the largest of these values: this share of them, but at least one."""
    count = ceil(share * len(values) - 1e-9)
    return float(np.sort(values)[-max(1, count) :].mean())


def deviations(jobs: Sequence[Answer], against: Yardstick) -> list[float]:
    """By how much each job is done later than under fair sharing, over its response there.

    A job without any length there counts as one of a tick.
    """
    return [
        (job.done - against.fair[job.name].done) / max(1, against.fair[job.name].response)
        for job in jobs
    ]


def slowdowns(jobs: Sequence[Answer], against: Yardstick) -> Floats:
    """The response of each job over that when it is alone; a job without length counts as 1."""
    return np.array(
        [job.response / against.alone[job.name] if against.alone[job.name] else 1.0 for job in jobs]
    )


def by_size(jobs: Sequence[Answer]) -> dict[str, float]:
    """Mean response (ticks) of each class of `SIZES`."""
    ranked = [job.response for job in sorted(jobs, key=lambda job: job.work)]
    found: dict[str, float] = {}
    value = 0.0
    for name, ends in SIZES.items():
        low, high = (ceil(share * len(ranked) - 1e-9) for share in ends)
        if high > low:
            value = sum(ranked[low:high]) / (high - low)
        found[name] = value
    return found


def by_class(scenario: Analytics, jobs: Sequence[Answer]) -> dict[str, float]:
    """Mean response (ticks) of each group of users; of each user where there are no groups."""
    belongs = classes(scenario)
    sums: dict[str, list[int]] = {}
    for job in jobs:
        sums.setdefault(belongs[job.user], []).append(job.response)
    return {name: sum(values) / len(values) for name, values in sums.items()}


def _extremes(scenario: Analytics, jobs: Sequence[Answer]) -> tuple[float, float]:
    """Mean response (ticks) of the class with the least work per user, and with the most."""
    belongs = classes(scenario)
    work: dict[str, int] = dict.fromkeys(belongs.values(), 0)
    for job in scenario.jobs:
        work[belongs[job.user]] += job.work
    users = list(belongs.values())
    response = by_class(scenario, jobs)
    ranked = sorted(response, key=lambda name: work[name] / users.count(name))
    return response[ranked[0]], response[ranked[-1]]


def _by_user(jobs: Sequence[Answer], values: Floats) -> dict[str, float]:
    """The mean of what belongs to the jobs of each user."""
    found: dict[str, list[float]] = {}
    for job, value in zip(jobs, values.tolist(), strict=True):
        found.setdefault(job.user, []).append(value)
    return {user: sum(own) / len(own) for user, own in found.items()}


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0
