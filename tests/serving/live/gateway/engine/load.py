"""What an engine has in hand, and how it tells: the metrics of vLLM, with its true load."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator

from tests.serving.live.gateway.engine.model import fold
from tests.serving.live.gateway.engine.wire import Call

BLOCK = 16


class Load:
    """Requests that run and wait, blocks, and the prefix cache. Ever-growing counts besides."""

    def __init__(self, *, slots: int, blocks: int) -> None:
        """At most `slots` requests run at a time; the rest wait in order."""
        self.slots, self.blocks = slots, blocks
        self.running: list[Call] = []
        self.waiting = 0
        self.most = 0
        self.queried = self.hits = self.prompt_tokens = self.answered = 0
        self.finished: Counter[str] = Counter()
        self.born = time.time()
        self._room = asyncio.Semaphore(slots)
        self._known: set[int] = set()

    def began(self) -> None:
        """The process has just begun: nothing is cached."""
        self.born = time.time()
        self._known.clear()

    @contextlib.asynccontextmanager
    async def place(self, call: Call) -> AsyncIterator[None]:
        """A place among those that run, once there is one."""
        self.waiting += 1
        try:
            await self._room.acquire()
        finally:
            self.waiting -= 1
        self.running.append(call)
        self.most = max(self.most, len(self.running))
        self._recall(call)
        try:
            yield
        finally:
            self.running.remove(call)
            self._room.release()

    def _recall(self, call: Call) -> None:
        """How much of the prompt the cache has, whole blocks only and never the last token."""
        state, missed = 1, False
        for end in range(BLOCK, len(call.prompt) + 1, BLOCK):
            state = fold(call.prompt[end - BLOCK : end], state)
            missed = missed or state not in self._known or end == len(call.prompt)
            if not missed:
                call.cached = end
            self._known.add(state)
        self.queried += len(call.prompt)
        self.hits += call.cached
        self.prompt_tokens += len(call.prompt)

    @property
    def used(self) -> int:
        """Blocks that running requests hold."""
        held = (len(call.prompt) + sum(call.said.values()) for call in self.running)
        return min(self.blocks, sum(-(-tokens // BLOCK) for tokens in held))

    def metrics(self, model: str) -> str:
        """The text of ``/metrics``."""
        labels = f'{{engine="0",model_name="{model}"}}'
        lines = []
        for name, kind, value in (
            ("num_requests_running", "gauge", len(self.running)),
            ("num_requests_waiting", "gauge", self.waiting),
            ("kv_cache_usage_perc", "gauge", self.used / self.blocks),
            ("prefix_cache_queries_total", "counter", self.queried),
            ("prefix_cache_hits_total", "counter", self.hits),
            ("num_preemptions_total", "counter", 0),
            ("prompt_tokens_total", "counter", self.prompt_tokens),
            ("generation_tokens_total", "counter", self.answered),
        ):
            family = f"vllm:{name}".removesuffix("_total")
            lines += [f"# HELP {family} As vLLM tells it.", f"# TYPE {family} {kind}"]
            lines.append(f"vllm:{name}{labels} {float(value)}")
        lines += [
            "# HELP vllm:request_success Count of successfully processed requests.",
            "# TYPE vllm:request_success counter",
        ]
        for reason in ("stop", "length", "abort"):
            labels = f'{{engine="0",finished_reason="{reason}",model_name="{model}"}}'
            lines.append(f"vllm:request_success_total{labels} {float(self.finished[reason])}")
        config = f'{{block_size="{BLOCK}",engine="0",num_gpu_blocks="{self.blocks}"}}'
        lines += [
            "# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig",
            "# TYPE vllm:cache_config_info gauge",
            f"vllm:cache_config_info{config} 1.0",
            "# HELP process_start_time_seconds Start time of the process.",
            "# TYPE process_start_time_seconds gauge",
            f"process_start_time_seconds {self.born:.2f}",
        ]
        return "\n".join(lines) + "\n"
