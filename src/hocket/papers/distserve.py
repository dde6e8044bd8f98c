"""DistServe: prefill and decode on separate instances, placed for goodput.

Three kinds of evidence. The authors' simulator was run by us on requests made by a rule, and its
figures (`ORACLE`, `SEARCHES`) are to be met to the last digit: label `exact`. What the paper prints
is compared on requests drawn from deciles of the ShareGPT lengths that the authors released with
their simulator; the full data are not public in the form they used, so ratios are held to a
tolerance of 25 %. That tolerance was fixed beforehand, and nothing else was: the placement of
OPT-13B is searched on 4 GPUs too because on 8 it had been seen not to be the best. Last, the same
systems run in hocket's own engine, where memory is in blocks, transfers take time and vLLM's
scheduler is modelled; the gain over vLLM is held to the same tolerance there, and all else is
`shape`.

Times of OPT-175B were never released, nor were the data of the code and summarisation workloads in
a form that could be drawn from: those figures are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from hocket.core.paper import Claim, Paper, Progress
from hocket.core.streams import Streams
from hocket.serving import catalogue
from hocket.serving.disaggregation.beside import beside_vllm, transfers
from hocket.serving.disaggregation.configurations import (
    Pair,
    Parallel,
    Profile,
    colocated,
    pairs,
    published_profile,
)
from hocket.serving.disaggregation.deploy import (
    deployed,
    in_engine,
    published_pair,
    published_pool,
)
from hocket.serving.disaggregation.goodput import (
    Ints,
    Sample,
    Target,
    goodput,
    instances,
    sample,
)
from hocket.serving.disaggregation.oracle import (
    COUNTS,
    ORACLE,
    OUTPUT,
    PROMPT,
    SEARCHES,
    System,
    authors_sample,
    chat_lengths,
    printed,
)
from hocket.serving.disaggregation.placement import Options, measure
from hocket.serving.disaggregation.ring import Floats, prefill_ends
from hocket.serving.policies.distserve import DistServe
from hocket.serving.policies.vllm import VllmV0

GIB = 2**30
NOTHING = "without bound: vLLM meets the target at no rate tried"
TOLERANCE = 0.25  # of a ratio, for work that is comparable and not the same


class Published(NamedTuple):
    """What the paper prints of one application: limits, placements, gain over vLLM.

    `gpus`: of the nodes on each of which the placement is searched.
    """

    model: str
    gpus: tuple[int, ...]
    target: Target
    chosen: Pair
    vllm: Parallel
    gain: float


CHAT = (
    Published("opt-13b", (8, 4), Target(250, 100), Pair(1, 2, 1, 1, 1), Parallel(1, 1), 4.6),
    Published("opt-66b", (8,), Target(2500, 150), Pair(1, 4, 1, 2, 2), Parallel(4, 1), 2.750),
)


def reproduce(
    *, full: bool = False, seed: int = 0, progress: Progress | None = None
) -> list[Claim]:
    """The claims: seconds; `full` searches the published 4 x 8 GPUs with longer runs, minutes."""
    parts: tuple[Callable[[bool, Streams], Iterator[Claim]], ...] = (
        _oracle,
        _counts,
        _searches,
        _forms,
        _placements,
        _same_engine,
        _engine,
    )
    streams, claims = Streams(seed), list[Claim]()
    for done, part in enumerate(parts, 1):
        claims += part(full, streams)
        if progress:
            progress(done, len(parts), part.__name__.strip("_"))
    return claims


def _exact(name: str, published: float | str, measured: float | str, note: str = "") -> Claim:
    return Claim(
        name=name,
        published=published,
        measured=measured,
        fidelity="exact",
        holds=published == measured,
        note="; ".join(part for part in ("authors' code as run by us", note) if part),
    )


def _oracle(full: bool, streams: Streams) -> Iterator[Claim]:
    note = "TTFT mean and P90, TPOT mean and P90, makespan; ms"
    for system, rates in ORACLE.items():
        for rate, expected in rates.items():
            name = f"{system.model} {system.engine} {system.placement}, {rate}/s"
            yield _exact(name, expected, printed(system.run(rate)), note)
    vllm = System("opt-66b", "vllm", Parallel(4, 1))
    shares = [100 * float(np.mean(vllm.run(rate).tpot <= 100)) for rate in (1, 2, 3)]
    yield _exact(
        "opt-66b vllm TP 4 PP 1, 1, 2 and 3/s: % of requests with TPOT up to 100 ms",
        "100.0 96.3 9.3",
        " ".join(f"{share:.1f}" for share in shares),
    )


def _counts(full: bool, streams: Streams) -> Iterator[Claim]:
    for model, expected in COUNTS.items():
        profile = published_profile(model)
        found = " ".join(
            f"{len(pairs(profile, n, g))}/{len(pairs(profile, n, g, fast_links=True))}"
            f"/{len(colocated(profile, n * g))}"
            for n, g in ((1, 4), (1, 8), (4, 8))
        )
        yield _exact(f"{model}: configurations on 1x4, 1x8, 4x8 GPUs", expected, found)


def _searches(full: bool, streams: Streams) -> Iterator[Claim]:
    for search in SEARCHES:
        requests, options = authors_sample(search.requests), Options(step=search.step)
        where = f"{search.model} on 1x{search.gpus}"
        profile = published_profile(search.model)
        candidates = pairs(profile, 1, search.gpus)
        rows, _ = measure(candidates, profile, requests, search.target, options)
        found: dict[tuple[int, ...], float] = {tuple(row.placement): row.goodput for row in rows}
        alone = published_profile(search.model, "vllm")
        for key in search.others:
            if len(key) == 2:
                cut = Parallel(*key)
                found[key] = goodput(cut, alone, requests, search.target, step=search.step)
        winners = tuple(key for key, value in found.items() if value == rows[0].goodput)
        yield _exact(f"{where}: best goodput per GPU", search.best, rows[0].goodput)
        yield _exact(f"{where}: who has it", str(search.winners), str(tuple(sorted(winners))))
        for key, value in search.others.items():
            yield _exact(f"{where}: goodput per GPU of {key}", value, found[key])


def _forms(full: bool, streams: Streams) -> Iterator[Claim]:
    """Section 3: how parallelism acts on prefill, and how much has to be handed over."""
    count = 20_000 if full else 4_000
    rng = streams["distserve.forms"]
    gaps = rng.exponential(1.0, count)
    profile = published_profile("opt-66b", pack=1)
    means = {
        rate: [
            _mean_ttft(profile, cut, gaps / rate * 1000) for cut in (Parallel(4, 1), Parallel(2, 2))
        ]
        for rate in (1.0, 8.5)
    }
    (low_tensor, low_pipeline), (high_tensor, high_pipeline) = means.values()
    yield Claim(
        name="opt-66b prefill on 4 GPUs: tensor parallelism wins at low rates, a pipeline at high",
        published="intra-operator at low, inter-operator at high rates",
        measured=f"mean TTFT at 1/s {low_tensor:.0f} and {low_pipeline:.0f} ms, at 8.5/s "
        f"{high_tensor:.0f} and {high_pipeline:.0f} ms (TP 4, TP 2 PP 2)",
        fidelity="shape",
        holds=low_tensor < low_pipeline and high_pipeline < high_tensor,
        note="prompts of 512 tokens, one at a time",
    )
    size = 512 * catalogue.model("opt-66b").kv_bytes / GIB
    yield Claim(
        name="opt-66b: keys and values of a request of 512 tokens, GB",
        published=1.13,
        measured=round(size, 3),
        fidelity="ratio",
        holds=abs(size / 1.13 - 1) < 0.01,
        note="GB of 2^30 bytes; tolerance 1 %",
    )


def _mean_ttft(profile: Profile, cut: Parallel, gaps: Floats) -> float:
    prompt, output = [512] * len(gaps), [0] * len(gaps)
    instance, _ = instances(cut, profile)
    first, _ = prefill_ends(gaps.cumsum().tolist(), prompt, output, instance)
    return float(np.mean(np.array(first) - gaps.cumsum()))


def _placements(full: bool, streams: Streams) -> Iterator[Claim]:
    """Table 3 and figure 8: the chosen placements, and the gain over vLLM, for chat."""
    for paper in CHAT:
        rng = streams[f"distserve.{paper.model}"]
        count, step = (1000, 0.0625) if full else (300, 0.125)
        requests = sample(chat_lengths(4 * count, rng), count, rng)
        options = Options(step=step, workers=None if full else 1)
        for nodes, gpus in [(1, gpus) for gpus in paper.gpus] + [(4, 8)] * full:
            rows = _searched(paper.model, nodes, gpus, requests, paper.target, options)
            chosen = rows[paper.chosen]
            best = max(rows, key=lambda placement: rows[placement])
            yield _within(
                f"{paper.model} chat on {nodes}x{gpus} GPUs: goodput of the paper's placement "
                "over the best",
                1.0,
                chosen / rows[best],
                f"{paper.chosen} serves {chosen:g}, {best} {rows[best]:g} requests/s per GPU",
            )
        yield from _gains(paper, chosen, requests, step)
    rng = streams["distserve.readme"]
    requests = sample(chat_lengths(1200, rng), 300, rng)
    rows = _searched("opt-13b", 1, 4, requests, Target(200, 100), Options())
    best = max(rows, key=lambda placement: rows[placement])
    yield _within(
        f"opt-13b chat on 1x4 GPUs within 200 and 100 ms: goodput per GPU of {CHAT[0].chosen}, the "
        "best",
        1.56,
        rows[best],
        f"example in the simulator's documentation; here the best is {best}",
        holds=best == CHAT[0].chosen,
    )


def _searched(
    model: str, nodes: int, gpus: int, requests: Sample, target: Target, options: Options
) -> dict[Pair, float]:
    profile = published_profile(model)
    rows, _ = measure(pairs(profile, nodes, gpus), profile, requests, target, options)
    return {row.placement: row.goodput for row in rows}


def _gains(paper: Published, chosen: float, requests: Sample, step: float) -> Iterator[Claim]:
    """The placement against vLLM: as the paper ran it, and with searched parallelism."""
    alone = published_profile(paper.model, "vllm")
    rows, _ = measure(colocated(alone, 8), alone, requests, paper.target, Options(step=step))
    same = next(row.goodput for row in rows if row.placement == paper.vllm)
    best = rows[0]
    yield _within(
        f"{paper.model} chat: requests per GPU over vLLM's on {paper.vllm}",
        paper.gain,
        chosen / same if same else NOTHING,
        f"{chosen:g} over {same:g}, in steps of {step:g}; the paper measured real engines",
    )
    yield _within(
        f"{paper.model} chat: requests per GPU over vLLM's on its best cut",
        paper.gain,
        chosen / best.goodput if best.goodput else NOTHING,
        f"{chosen:g} over {best.goodput:g} on {best.placement}; in the paper's simulations the "
        "best cut of vLLM was its usual one",
    )


def _within(
    name: str, published: float, measured: float | str, note: str, holds: bool = True
) -> Claim:
    """A ratio, or the words for none, against `TOLERANCE`; `holds` is what else must be so."""
    if not isinstance(measured, str):
        holds = holds and abs(measured / published - 1) <= TOLERANCE
        measured = round(measured, 3)
    else:
        holds = False
    return Claim(
        name=name,
        published=published,
        measured=measured,
        fidelity="ratio",
        holds=holds,
        note=f"tolerance 25 %; {note}",
    )


def _same_engine(full: bool, streams: Streams) -> Iterator[Claim]:
    """The oracle's systems in hocket's engine, with memory that does not matter."""
    colocated = VllmV0(tokens=10**6, seqs=10**4, watermark=0.0)
    for system, rates in ORACLE.items():
        where = f"{system.model} {system.engine} {system.placement}"
        for rate, expected in rates.items():
            arrival = [i / rate * 1000 for i in range(len(PROMPT))]
            name = f"{where}, {rate}/s, in hocket's engine"
            if isinstance(system.placement, Pair):
                pools = published_pair(system.model, system.placement)
                found = in_engine(pools, DistServe(), arrival, PROMPT, OUTPUT).tpot.mean()
                yield _within(
                    f"{name}: mean TPOT over that of the authors' simulator",
                    1.0,
                    float(found / system.run(rate).tpot.mean()),
                    "here a request joins the decodes at the next iteration, and micro-batches of "
                    "a pipeline keep their requests",
                )
                continue
            pool = published_pool(system.model, "both", system.placement, system.engine)
            row = printed(in_engine((pool,), colocated, arrival, PROMPT, OUTPUT))
            note = "equal but for the cap of 50,000 tokens on a decode iteration"
            yield _exact(name, expected, row, "" if row == expected else note)


def _engine(full: bool, streams: Streams) -> Iterator[Claim]:
    """The chat placements in hocket's engine, beside vLLM's scheduler on as many GPUs."""
    step = 0.125
    for paper in CHAT:
        rows = chat_lengths(2000 if full else 400, streams[f"distserve.{paper.model} engine"])
        found = beside_vllm(paper.model, paper.chosen, paper.vllm, rows, paper.target, step=step)
        where = f"{paper.model} chat in hocket's engine"
        beside = f"{paper.chosen} beside {found.replicas} x {paper.vllm}"
        yield _within(
            f"{where}: requests per GPU over vLLM's",
            paper.gain,
            found.split / found.vllm if found.vllm else NOTHING,
            f"{found.split:g} over {found.vllm:g}, in steps of {step:g}; {beside}, each on its own "
            "fitted times",
        )
        yield Claim(
            name=f"{where}: split replicas serve more per GPU on equal times",
            published="more",
            measured=f"{found.split:g} over {found.equal:g} requests/s per GPU",
            fidelity="shape",
            holds=found.split > found.equal,
            note=f"{beside} with vLLM's scheduler, both on DistServe's fitted times; one step "
            f"higher {found.late['attainment_ttft']:.0%} of the split requests meet the TTFT and "
            f"{found.late['attainment_tpot']:.0%} the TPOT, with {found.late['preemptions']:.0f} "
            f"preemptions; with ample memory the split replicas serve {found.ample:g}",
        )
        yield _transfers(paper, rows, max(found.split, 0.25) * paper.chosen.gpus)


def _transfers(paper: Published, rows: Ints, rate: float) -> Claim:
    """Section 6.3: what handing over costs."""
    pools = published_pair(paper.model, paper.chosen)
    share, late = transfers(deployed(pools, rows, rate, paper.target), 30_000)
    return Claim(
        name=f"{paper.model} chat in hocket's engine: % of the latency that transfers take",
        published="below 0.1",
        measured=round(100 * share, 4),
        fidelity="shape",
        holds=share < 0.001 and late < 0.05,
        note=f"over NVLink at 300 GB/s, {rate:g} requests/s (the paper: opt-175b); {100 * late:g} "
        "% of transfers took 30 ms or longer, the paper says below 5 %",
    )


PAPER = Paper(
    name="distserve",
    title="DistServe: Disaggregating Prefill and Decoding for Goodput-optimized Large Language "
    "Model Serving",
    citation="Y. Zhong, S. Liu, J. Chen, J. Hu, Y. Zhu, X. Liu, X. Jin, H. Zhang, OSDI 2024, "
    "arXiv 2401.09670",
    policies=("serving/distserve", "serving/distserve-batching", "serving/vllm-v0"),
    reproduce="hocket.papers.distserve:reproduce",
    notes=(
        "The authors' simulator differs from their paper: prompts are packed up to the key-value "
        "memory and not to L_m, decode iterations read at most 50,000 tokens whatever the memory, "
        "and a search judges each limit by itself. `ring` has these rules, with L_m as an option.",
        "Their search with fast links looks at pairs, as with slow ones; Algorithm 1 of the paper, "
        "which looks at the phases one by one, is `placement.fast_links`.",
        "What reaches decode instances while Algorithm 1 measures them is not published; here it "
        "is a Poisson process of requests. Nor is when a shift of the workload counts as such.",
        "On equal times split replicas serve less than colocated ones in hocket's engine; the "
        "paper's gain is over vLLM's slower times. Memory for decodes is a part of it. With ample "
        "memory the placement of OPT-13B serves 2.75 instead of 2.125 requests/s per GPU, as the "
        "colocated replicas do (`full`: 1.875 instead of 1.625, colocated 2.375), that of OPT-66B "
        "0.75 as before, colocated 0.875 (`full`: 0.625 instead of 0.375, colocated 0.625). The "
        "rest was not isolated; which target is missed one step higher is told with the claims.",
        "A search with 300 requests, as the authors' is, ends before the queues of an overloaded "
        "placement are long: with 1000 (`full`) the same placements serve 40 % less, deeper "
        "pipelines come out ahead, and the gain over vLLM is smaller.",
        "The gain over vLLM hangs on the longest prompts: colocated OPT-13B on one GPU needs about "
        "250 ms, the whole limit, for a prompt at the 90th percentile of the drawn lengths.",
    ),
)
