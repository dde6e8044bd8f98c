"""A batching policy of one's own, in one file.

``hocket run serving/chat --policy examples/own_batching.py`` runs it too.
"""

from pathlib import Path
from typing import Any, ClassVar

import hocket
from hocket.core.streams import Streams
from hocket.serving.roles.batching import Batcher, FirstComeFirstServed, Limits, Request
from hocket.serving.roles.facts import Engine
from hocket.serving.roles.policy import BatchingPolicy


class ShortPrompts(BatchingPolicy, frozen=True):
    """Short prompts overtake long ones: 1,000 tokens weigh as much as `handicap` seconds."""

    name: ClassVar[str] = "serving/short-prompts"
    handicap: float = 1.0
    tokens: int = 512

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        return Queue(Limits(tokens=self.tokens), self.handicap / 1000 * engine.second)


class Queue(FirstComeFirstServed):
    """As in vLLM, except who is next."""

    def __init__(self, limits: Limits, per_token: float) -> None:
        super().__init__(limits)
        self.per_token = per_token

    def rank(self, request: Request) -> Any:
        """The smallest goes first; who had to give way comes before all others."""
        return (request.preemptions == 0, request.arrival + self.per_token * request.prompt)


if __name__ == "__main__":
    chats = hocket.load(Path(__file__).with_name("bursty_chat.yaml"))
    policies = [
        hocket.load_policy("serving/vllm-v1", tokens=512),
        hocket.load_policy(__file__),
        hocket.load_policy(__file__, handicap=10),
    ]
    rows = hocket.compare(chats, policies, seeds=5, workers=1).rows
    mean = {(row.policy, row.metric): row.mean for row in rows}
    print("seconds to the first token at 50, 90 and 99 %, and requests within the SLO")
    for policy in map(str, policies):
        ttft = "  ".join(f"{mean[policy, f'ttft_{p}']:5.2f}" for p in ("p50", "p90", "p99"))
        print(f"{policy:36}  {ttft}  {mean[policy, 'attainment']:6.1%}")
