"""The iterations of a record: what each of them computed, and how long it took.

A step of a record names who got how many tokens. What a cost model is asked about, chunks with
what lies before them and decodes with their context, follows from the steps before it: a request
computes its prompt (with what it had answered when it gave way), then one token at a time.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from hocket.serving.cost.protocol import Floats
from hocket.serving.live.record import Asked, Step
from hocket.serving.live.recording import Recording
from hocket.serving.live.scenario import arrival
from hocket.serving.model.requests import Ints

_TICKS = 1e6  # microseconds


class Iterations(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Iterations in the order of their composition. All columns have shape (n,).

    - `end`: when their tokens were there, microseconds
    - `prompt`: tokens of prompts; `pairs`: of a token and one it attends to, as in `cost.Linear`
    - `decodes`: requests that decode; `context`: tokens that these have in memory
    - `seconds`: from when the iteration could have been composed, which is the end of the one
      before it or, if nobody was left to be served, the next arrival. What an engine does between
      two iterations is so part of the second: the simulator composes an iteration at the instant at
      which the one before it ends
    """

    end: Ints
    prompt: Ints
    pairs: Floats
    decodes: Ints
    context: Ints
    seconds: Floats

    def __len__(self) -> int:
        return len(self.end)

    def at(self, rows: npt.NDArray[np.bool_]) -> Iterations:
        """Those in `rows`."""
        columns: dict[str, Any] = msgspec.structs.asdict(self)
        return Iterations(**{name: column[rows] for name, column in columns.items()})


def iterations(found: Recording) -> Iterations:
    """What the steps of a record computed. Those without tokens are passed over."""
    story = _Story(found)
    rows = []
    for step in found.steps:
        work = story.composed(step)  # also of a step in which everybody gave way
        if step.tokens:
            rows.append((step.end, *work, story.lasted(step)))
    table = np.array(rows, dtype=np.float64).reshape(len(rows), 6).T
    whole = table.astype(np.int64)
    return Iterations(
        end=whole[0],
        prompt=whole[1],
        pairs=table[2],
        decodes=whole[3],
        context=whole[4],
        seconds=table[5],
    )


class _Progress:
    """Where a request is: `total` tokens make its prompt complete, `computed` are in memory."""

    __slots__ = ("computed", "decoding", "generated", "prompt", "total")

    def __init__(self, asked: Asked) -> None:
        self.prompt = self.total = asked.prompt
        self.computed = self.generated = 0
        self.decoding = False

    def gave_way(self) -> None:
        """Its memory is gone."""
        self.computed, self.decoding = 0, False
        self.total = self.prompt + self.generated

    def compute(self, tokens: int) -> None:
        """So many more tokens are in memory; once the prompt is, each yields one of the answer."""
        self.computed += tokens
        if self.computed >= self.total:
            self.generated += 1
            self.decoding = True


class _Story:
    """The requests of a record, step by step."""

    def __init__(self, found: Recording) -> None:
        self._left = {name: line.at for name, line in found.finished.items()}
        self._known = {name: _Progress(asked) for name, asked in found.asked.items()}
        self._arrivals = [(arrival(asked), name) for name, asked in found.asked.items()]
        self._first = 0  # all before this one have left
        self._end = 0  # of the latest step

    def composed(self, step: Step) -> tuple[int, float, int, int]:
        """Prompt tokens, pairs, decodes and context of a step, whose requests move on by it."""
        for name in step.preempted:
            self._known[name].gave_way()
        prompt, pairs, decodes, context = 0, 0.0, 0, 0
        for name, tokens in step.tokens.items():
            request = self._known[name]
            request.computed = step.cached.get(name, request.computed)
            if request.decoding:
                decodes += 1
                context += request.computed
            else:
                prompt += tokens
                pairs += tokens * (request.computed + 0.5 * tokens)
            request.compute(tokens)
        return prompt, pairs, decodes, context

    def lasted(self, step: Step) -> float:
        """Seconds since the step could have been composed; see `Iterations`."""
        while self._first < len(self._arrivals) and self._gone(step.at):
            self._first += 1
        present = self._first < len(self._arrivals)
        first = self._arrivals[self._first][0] if present else step.at
        begin = max(self._end, min(first, step.at))
        self._end = max(self._end, step.end)
        return max(step.end - begin, 1) / _TICKS

    def _gone(self, time: int) -> bool:
        """Whether the first of those who may be left has gone by then."""
        left = self._left.get(self._arrivals[self._first][1])
        return left is not None and left <= time
