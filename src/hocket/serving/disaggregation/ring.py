"""DistServe's own simulator: instances as rings of pipeline ranks that batch independently.

It answers how long requests take on given instances, under simplifications that make a placement
search cheap and that the published placements rest on: prompts are not cut, handing a request from
prefill to decode takes no time, memory is only a cap on the tokens of an iteration, and what an
iteration costs is a fitted formula. `hocket.serving.simulate` models an engine instead.

**Rules.** Every rank repeats: prompts that wait come first, else requests that decode, else it
sleeps. The first rank takes whole prompts in order while they fit `tokens` (or `pack`); later ranks
take the batch as it was formed. A decode iteration takes requests in order while the sum of
``context + 1`` fits `context`, and gives each a token once it has left the last rank; the request
then queues at the first rank again, so with several ranks several batches go round, and meet. A
request that has its prompt computed needs as many decode iterations as it has output tokens. A
colocated instance keeps it; separate ones send it to the decode instance with the fewest waiting.
New requests go to the instance with the fewest prompts waiting or under way.

**Costs** of one rank, in milliseconds: ``(a + b sum(len) + c sum(len^2)) / pp + stage pp`` to
prefill, ``(a + b sum(context + 1) + c batch) / pp`` to decode, and ``first + first_per_token
sum(context)`` more on the first rank; the letters are those of `DistServe`, the cost model.

Times are floats, added in the order of the authors' simulator, to give its figures to the last
digit; the order of events is fixed by ``(time, sequence)``, arrivals first.

Source: Zhong et al., DistServe, OSDI 2024, section 4.1 and appendix A; the authors' simulator
`simdistserve`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hocket.core.errors import InputError, Problem
from hocket.serving.disaggregation.instance import Instance
from hocket.serving.disaggregation.loop import Rings

Floats = npt.NDArray[np.float64]


class Times(NamedTuple):
    """What became of the requests, in milliseconds, each of shape (n,).

    `ttft`: from arrival to the end of the prefill; `tpot`: from there to the last token, waiting
    included, per output token; `finish`: when the last token came.
    """

    ttft: Floats
    tpot: Floats
    finish: Floats


def simulate(
    arrival: Sequence[float],
    prompt: Sequence[int],
    output: Sequence[int],
    *,
    prefill: Instance,
    decode: Instance | None = None,
) -> Times:
    """Run requests through prefill instances and decode instances; without `decode`, both in one.

    `arrival` is in milliseconds and does not decrease; `prompt` and `output` are in tokens. Raises
    InputError for requests that can never run.
    """
    arrival, prompt, output = _lists(arrival, prompt, output)
    _check(arrival, prompt, output, prefill, decode or prefill)
    if decode is None:
        rings = Rings(prefill, prompt, output, "both")
        rings.run(arrival, range(len(prompt)))
        return _times(arrival, output, rings.first, rings.finish)
    first, order = prefill_ends(arrival, prompt, output, prefill)
    return _times(arrival, output, first, decode_ends(first, order, prompt, output, decode))


def prefill_ends(
    arrival: Sequence[float], prompt: Sequence[int], output: Sequence[int], instance: Instance
) -> tuple[list[float], list[int]]:
    """When each prefill ends on separate instances, and the order in which they end.

    What becomes of a request afterwards never holds up a prefill, so the phases run in turn.
    """
    rings = Rings(instance, prompt, output, "prefill")
    rings.run(arrival, range(len(prompt)))
    return rings.first, rings.order


def decode_ends(
    first: Sequence[float],
    order: Sequence[int],
    prompt: Sequence[int],
    output: Sequence[int],
    instance: Instance,
) -> list[float]:
    """When each request has its last token, given when and in which order prefills ended."""
    rings = Rings(instance, prompt, output, "decode")
    rings.finish = list(first)  # holds for requests without output
    waiting = [r for r in order if output[r]]
    rings.run([first[r] for r in waiting], waiting)
    return rings.finish


def _lists(
    arrival: Sequence[float], prompt: Sequence[int], output: Sequence[int]
) -> tuple[list[float], list[int], list[int]]:
    """Plain numbers: the event loop is several times as fast with them as with NumPy's."""
    return np.asarray(arrival, float).tolist(), np.asarray(prompt).tolist(), list(map(int, output))


def _times(
    arrival: Sequence[float], output: Sequence[int], first: list[float], finish: list[float]
) -> Times:
    started, ended = np.array(first), np.array(finish)
    tokens = np.maximum(np.array(output, dtype=np.float64), 1.0)
    return Times(started - np.array(arrival), (ended - started) / tokens, ended)


def _check(
    arrival: Sequence[float],
    prompt: Sequence[int],
    output: Sequence[int],
    prefill: Instance,
    decode: Instance,
) -> None:
    problems: list[Problem] = []
    if not len(arrival) == len(prompt) == len(output):
        raise InputError(
            "requests",
            [
                f"{len(arrival)} arrivals, {len(prompt)} prompts and "
                f"{len(output)} outputs: as many of each are needed"
            ],
        )
    before = 0.0
    for i, (at, tokens, more) in enumerate(zip(arrival, prompt, output, strict=True)):
        if at < before:
            problems.append(Problem(f"[{i}].arrival", f"{at:g} comes before {before:g}"))
        before = at
        if tokens < 1 or more < 0:
            problems.append(Problem(f"[{i}]", f"prompt {tokens} and output {more}: at least 1, 0"))
        if tokens > prefill.tokens:
            message = f"{tokens} tokens, but an iteration takes at most {prefill.tokens}"
            problems.append(Problem(f"[{i}].prompt", message))
        if tokens + more > decode.context:
            message = f"context grows to {tokens + more} tokens, past the cap {decode.context}"
            problems.append(Problem(f"[{i}].output", message))
    if problems:
        raise InputError("requests", problems)
