"""What each metric of a serving run is called and means, in which unit, and which way is good."""

from __future__ import annotations

from hocket.core.domain import Measure

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}

_TIMES = {
    "ttft": "time from a request's arrival to its first token",
    "tpot": "mean time between a request's tokens after the first",
    "tbt": "time between two tokens of a request, over all tokens",
    "e2e": "time from a request's arrival to its last token",
    "queueing": "time from a request's arrival to its first iteration (scheduling delay)",
}
_SHOWN = ("ttft_p50", "ttft_p99", "tpot_p50", "tpot_p99", "tbt_p99", "e2e_mean")


def _times() -> dict[str, Measure]:
    found = {}
    for name, meaning in _TIMES.items():
        mean = f"{name}_mean"
        found[mean] = Measure("s", "lower", f"{meaning}: mean", mean in _SHOWN)
        for suffix, percent in PERCENTILES.items():
            key, told = f"{name}_{suffix}", f"{meaning}: percentile {percent:g}"
            found[key] = Measure("s", "lower", told, key in _SHOWN)
    return found


METRICS: dict[str, Measure] = {
    "attainment": Measure(
        "share", "higher", "requests that meet the whole SLO, of all that arrived", shown=True
    ),
    "goodput": Measure("req/s", "higher", "requests within the SLO, over the makespan", shown=True),
    **_times(),
    "normalised_latency_mean": Measure(
        "s/token", "lower", "end-to-end time over the tokens of the answer, mean over requests"
    ),
    "throughput": Measure("req/s", "higher", "requests answered, over the makespan", shown=True),
    "output_throughput": Measure("tokens/s", "higher", "tokens of answers, over the makespan"),
    "token_throughput": Measure(
        "tokens/s", "higher", "tokens of prompts and answers of answered requests, per makespan"
    ),
    "token_goodput": Measure(
        "tokens/s", "higher", "tokens of prompts and answers of requests within the SLO"
    ),
    "attainment_ttft": Measure("share", "higher", "requests that meet the time to first token"),
    "attainment_tpot": Measure("share", "higher", "requests that meet the time per output token"),
    "attainment_gap": Measure("share", "higher", "requests that meet the longest gap"),
    "attainment_e2e": Measure("share", "higher", "requests that meet the end-to-end time"),
    "preemptions": Measure("", "lower", "how often a request had to give way", shown=True),
    "preemption_rate": Measure("share", "lower", "requests that had to give way at least once"),
    "preemption_loss_mean": Measure(
        "s", "lower", "time that preemptions cost, mean over all requests"
    ),
    "migrations": Measure("", "", "live migrations completed"),
    "migration_aborts": Measure("", "", "live migrations begun and given up"),
    "kv_utilisation": Measure("share", "", "key-value memory in use, mean over time", shown=True),
    "waste": Measure("share", "lower", "memory in used blocks that holds no token, over time"),
    "fragmentation": Measure(
        "share",
        "lower",
        "memory free in the cluster that would serve the heads of queues, were it where they wait",
    ),
    "batch_mean": Measure("req", "", "requests running on a replica while it is busy, mean"),
    "gpu_seconds": Measure(
        "s", "lower", "GPU seconds: GPUs by the time they are held, start-up included", shown=True
    ),
    "cost": Measure("s/1k", "lower", "GPU seconds for each 1,000 tokens of answers", shown=True),
    "fairness_jain": Measure(
        "share", "higher", "Jain's index of the tenants' service over their max-min fair share"
    ),
    "rate": Measure("req/s", "", "requests that arrive, over the time in which they do"),
    "requests": Measure("", "", "requests that arrived"),
    "finished": Measure("", "higher", "requests answered"),
    "rejected": Measure("", "lower", "requests refused", shown=True),
    "cancelled": Measure("", "lower", "requests whose clients went away before the answer"),
    "unfinished": Measure("", "lower", "requests neither answered, refused nor cancelled"),
    "makespan": Measure("s", "", "from the first arrival to the last event of a request"),
}
"""Every key of `metrics`, in the order in which they are shown."""

OBJECTIVES = (
    "ttft_p99",
    "tpot_p99",
    "tbt_p99",
    "e2e_mean",
    "ttft_mean",
    "tpot_mean",
    "queueing_p50",
    "normalised_latency_mean",
    "gpu_seconds",
    "cost",
)
"""What may be minimised."""
