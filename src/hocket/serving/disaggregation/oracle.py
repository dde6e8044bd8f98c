"""What the authors' own simulator and search print, on requests that need no data set.

`simdistserve` of github.com/LLMServe/DistServe at commit 82831f1 was run on requests made by a
rule: prompts of ``64 + 37 i mod 961`` and outputs of ``16 + 53 i mod 241`` tokens. The figures are
its output. They come from the authors' code, and are not figures of the paper.
"""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np

from hocket.serving.disaggregation.configurations import (
    Pair,
    Parallel,
    Placement,
    published_profile,
)
from hocket.serving.disaggregation.goodput import Ints, Sample, Target, instances
from hocket.serving.disaggregation.ring import Times, simulate

REQUESTS = 300
ROWS = [(64 + 37 * i % 961, 16 + 53 * i % 241) for i in range(2000)]
PROMPT = [prompt for prompt, _ in ROWS[:REQUESTS]]
OUTPUT = [output for _, output in ROWS[:REQUESTS]]


class System(NamedTuple):
    """A model on one engine in one placement."""

    model: str
    engine: str
    placement: Placement

    def run(self, rate: float) -> Times:
        """The rule-made requests, one every ``1 / rate`` seconds."""
        profile = published_profile(self.model, self.engine)
        prefill, decode = instances(self.placement, profile)
        arrival = [i / rate * 1000 for i in range(REQUESTS)]
        return simulate(arrival, PROMPT, OUTPUT, prefill=prefill, decode=decode)


ORACLE: dict[System, dict[int, str]] = {
    System("opt-13b", "distserve", Pair(1, 2, 1, 1, 1)): {
        3: "54.406 82.787 27.4317 28.4515 104535.3",
        6: "54.406 82.787 35.5834 37.2837 55993.8",
        9: "54.406 82.787 47.7137 53.5580 41407.2",
    },
    System("opt-13b", "vllm", Parallel(1, 1)): {
        1: "114.925 174.816 30.0954 32.7126 304367.2",
        2: "116.098 174.385 37.6191 41.4393 155067.5",
        3: "118.012 177.155 49.8264 54.7031 105716.7",
    },
    System("opt-66b", "distserve", Pair(1, 4, 1, 2, 2)): {
        1: "114.310 178.334 55.5448 56.5125 309682.1",
        3: "114.310 178.334 62.6489 63.7309 111854.8",
        5: "114.310 178.334 71.0802 73.6889 73942.0",
    },
    System("opt-66b", "vllm", Parallel(4, 1)): {
        1: "196.600 308.436 55.0584 60.5324 307892.9",
        2: "200.338 304.270 83.3129 92.0212 159423.6",
        3: "211.217 315.829 155.8105 188.5979 113974.7",
    },
}
"""By system and rate: mean and P90 of TTFT, mean and P90 of TPOT, makespan; in milliseconds."""

COUNTS = {
    "opt-13b": "9/9/6 48/48/12 133/569/28",
    "opt-66b": "11/11/7 61/61/13 183/613/31",
    "opt-175b": "13/13/8 88/88/16 325/1132/44",
}
"""Configurations that the authors enumerate on 1x4, 1x8 and 4x8 GPUs: slow and fast links, vLLM."""


class Search(NamedTuple):
    """A placement search, and the goodputs per GPU that the authors' simulator finds in it."""

    model: str
    gpus: int
    target: Target
    requests: int
    step: float
    best: float
    winners: tuple[tuple[int, ...], ...]
    others: dict[tuple[int, ...], float]


SEARCHES = (
    Search(
        "opt-13b",
        4,
        Target(250, 100),
        300,
        0.0625,
        4.3125,
        ((1, 1, 2, 1, 1), (1, 2, 1, 1, 1)),
        {(1, 1, 1, 1, 1): 3.5, (1, 1): 3.75},
    ),
    Search(
        "opt-66b",
        8,
        Target(2500, 150),
        200,
        0.125,
        1.625,
        ((1, 2, 2, 3, 1), (1, 3, 1, 2, 1), (1, 4, 1, 3, 1)),
        {(1, 4, 1, 2, 2): 1.5, (4, 1): 0.625},
    ),
)


CHAT_PROMPT = (9, 94, 279, 430, 573, 758, 867, 1047, 1319, 1512, 2003)
CHAT_OUTPUT = (2, 9, 14, 23, 36, 67, 164, 236, 337, 478, 1085)
"""Deciles of 300 ShareGPT requests in the authors' alignment workload (Apache-2.0)."""


def printed(times: Times) -> str:
    """A run in the form of `ORACLE`."""
    ttft, tpot = times.ttft, times.tpot
    return (
        f"{ttft.mean():.3f} {np.quantile(ttft, 0.9):.3f} {tpot.mean():.4f} "
        f"{np.quantile(tpot, 0.9):.4f} {times.finish.max():.1f}"
    )


def authors_sample(count: int) -> Sample:
    """Requests as the authors' search draws them with seed 0, from all of `ROWS`."""
    chosen = np.array(random.Random(0).sample(ROWS, count))
    gaps = np.random.RandomState(0).gamma(1, 1, count - 1)
    return Sample(np.concatenate([[0.0], gaps]), chosen[:, 0], chosen[:, 1])


def chat_lengths(count: int, rng: np.random.Generator) -> Ints:
    """Prompts and outputs drawn from the deciles, shape (count, 2), independent of each other."""
    at = np.linspace(0, 1, 11)
    columns = [np.interp(rng.random(count), at, deciles) for deciles in (CHAT_PROMPT, CHAT_OUTPUT)]
    return np.rint(np.stack(columns, axis=1)).astype(np.int64)
