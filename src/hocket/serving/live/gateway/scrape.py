"""What engines publish of themselves: the few gauges that dispatch can use, and how to poll them.

The pages are in Prometheus' text format. vLLM publishes thousands of lines of histograms, of which
nothing is wanted here, so that one pass with one pattern over the page finds the few lines that
are; a general parser would read all of it, many times a second for every backend.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from math import isfinite

import msgspec

LONGEST = 8 * 2**20
"""Characters of a page that are looked at."""


class Gauges(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of one backend. None is what it does not publish.

    - `engine`: ``vllm``, ``sglang`` or ``llama.cpp``
    - `running`, `waiting`: requests in its batch, and in its queue
    - `usage`: share of its key-value memory in use
    - `block_size`, `blocks`: tokens per block of that memory, and how many blocks there are
    - `queried`, `hits`: prompt tokens so far, and those of them that the prefix cache spared
    - `born`: when its process began, seconds since 1970
    - `count`: tokens so far; less than before means that it has begun anew
    """

    engine: str
    running: int
    waiting: int
    usage: float | None = None
    block_size: int | None = None
    blocks: int | None = None
    queried: int | None = None
    hits: int | None = None
    born: float | None = None
    count: float = 0.0

    def restarted(self, before: Gauges) -> bool:
        """Whether the engine has been started anew since the reading `before`."""
        if self.engine != before.engine or self.count < before.count:
            return True
        return None not in (self.born, before.born) and self.born != before.born


class Sample(msgspec.Struct, frozen=True):
    """One line of a page."""

    name: str
    labels: dict[str, str]
    value: float


_WANTED = (
    "process_start_time_seconds",
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:gpu_cache_usage_perc",
    "vllm:cache_config_info",
    "vllm:prefix_cache_queries_total",
    "vllm:prefix_cache_hits_total",
    "vllm:prompt_tokens_total",
    "sglang:num_running_reqs",
    "sglang:num_queue_reqs",
    "sglang:token_usage",
    "sglang:max_total_num_tokens",
    "sglang:page_size",
    "sglang:prompt_tokens_total",
    "sglang:cached_tokens_total",
    "llamacpp:requests_processing",
    "llamacpp:requests_deferred",
    "llamacpp:kv_cache_usage_ratio",
    "llamacpp:prompt_tokens_total",
)
_VALUE = r'"(?:[^"\\\n]|\\.)*"'
_LABELS = rf"\{{((?:[^\"{{}}\n]|{_VALUE})*)\}}"
_LINE = re.compile(rf"\n[ \t]*({'|'.join(map(re.escape, _WANTED))})(?:{_LABELS})?[ \t]+(\S+)")
"""Begins with the end of the line before, which is found much faster than a beginning."""
_LABEL = re.compile(rf"([A-Za-z_][A-Za-z0-9_]*)\s*=\s*({_VALUE})")
_ESCAPED = re.compile(r"\\(.)")


def samples(text: str) -> dict[str, list[Sample]]:
    """The wanted lines of a page by name; what is no sample with a finite value is passed over."""
    found: dict[str, list[Sample]] = {}
    for name, labels, told in _LINE.findall("\n" + text[:LONGEST]):
        try:
            value = float(told)
        except ValueError:
            continue
        if isfinite(value):
            found.setdefault(name, []).append(Sample(name, _labels(labels), value))
    return found


def _labels(text: str) -> dict[str, str]:
    return {
        name: _ESCAPED.sub(lambda m: "\n" if m[1] == "n" else m[1], value[1:-1])
        for name, value in _LABEL.findall(text)
    }


def read(text: str) -> Gauges | None:
    """The gauges of a page; None if it is of no engine that is known."""
    page = _Page(samples(text))
    for reader in (_vllm, _sglang, _llamacpp):
        if (gauges := reader(page)) is not None:
            return gauges
    return None


_GROUPS = ("engine", "dp_rank", "model_name")
"""Labels by which engines behind one page differ; others tell parts or copies of a reading."""


class _Page:
    """Samples by name, with what several lines of one name come to."""

    def __init__(self, found: dict[str, list[Sample]]) -> None:
        self.found = found

    def values(self, name: str) -> list[float]:
        """One value per engine behind the page.

        SGLang's tensor-parallel ranks tell the same figure each, and where it tells requests by
        priority there is a line for all of them too: the greatest counts.
        """
        groups: dict[tuple[str, ...], float] = {}
        for one in self.found.get(name, ()):
            key = tuple(one.labels.get(label, "") for label in _GROUPS)
            groups[key] = max(one.value, groups.get(key, one.value))
        return list(groups.values())

    def total(self, name: str) -> int | None:
        """The sum over engines."""
        values = self.values(name)
        return max(0, round(sum(values))) if values else None

    def counter(self, name: str) -> int | None:
        """The sum over all lines, of which each counts other requests."""
        found = self.found.get(name)
        return max(0, round(sum(one.value for one in found))) if found else None

    def share(self, *names: str) -> float | None:
        """The mean over engines of the first of `names` that there is, from 0 to 1."""
        for name in names:
            if values := self.values(name):
                return min(1.0, max(0.0, sum(values) / len(values)))
        return None

    @property
    def born(self) -> float | None:
        """When the process began."""
        values = self.values("process_start_time_seconds")
        return values[0] if values else None


def _vllm(page: _Page) -> Gauges | None:
    running = page.total("vllm:num_requests_running")
    if running is None:
        return None
    infos = [one.labels for one in page.found.get("vllm:cache_config_info", ())]
    # Every data-parallel engine tells the blocks of all. One block of each stands for no content.
    blocks = max((_whole(info.get("num_gpu_blocks")) for info in infos), default=0)
    size = max((_whole(info.get("block_size")) for info in infos), default=0)
    return Gauges(
        engine="vllm",
        running=running,
        waiting=page.total("vllm:num_requests_waiting") or 0,
        usage=page.share("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        block_size=size or None,
        blocks=blocks - len(infos) if blocks > len(infos) else None,
        queried=page.counter("vllm:prefix_cache_queries_total"),
        hits=page.counter("vllm:prefix_cache_hits_total"),
        born=page.born,
        count=float(page.counter("vllm:prompt_tokens_total") or 0),
    )


def _sglang(page: _Page) -> Gauges | None:
    running = page.total("sglang:num_running_reqs")
    if running is None:
        return None
    size = max(1, round(max(page.values("sglang:page_size"), default=1.0)))
    tokens = page.total("sglang:max_total_num_tokens") or 0
    return Gauges(
        engine="sglang",
        running=running,
        waiting=page.total("sglang:num_queue_reqs") or 0,
        usage=page.share("sglang:token_usage"),
        block_size=size if tokens else None,
        blocks=tokens // size or None,
        queried=page.counter("sglang:prompt_tokens_total"),
        hits=page.counter("sglang:cached_tokens_total"),
        born=page.born,
        count=float(page.counter("sglang:prompt_tokens_total") or 0),
    )


def _llamacpp(page: _Page) -> Gauges | None:
    running = page.total("llamacpp:requests_processing")
    if running is None:
        return None
    return Gauges(
        engine="llama.cpp",
        running=running,
        waiting=page.total("llamacpp:requests_deferred") or 0,
        usage=page.share("llamacpp:kv_cache_usage_ratio"),  # gone from later versions
        born=page.born,
        count=float(page.counter("llamacpp:prompt_tokens_total") or 0),
    )


def _whole(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 16 else 0


class Turns:
    """When one backend is polled: at every multiple of `period` ticks since `start`.

    A reading that took longer skips those that have gone by. After n failures in a row there are
    ``2**n`` periods between tries, at most `longest`.
    """

    def __init__(self, period: int, start: int, longest: int = 32) -> None:
        self.period, self.start, self.longest = period, start, longest
        self.failures = 0

    def next(self, now: int) -> int:
        """When the next try is due."""
        every = self.period * min(self.longest, 1 << min(self.failures, 30))
        return self.start + ((now - self.start) // every + 1) * every

    def ended(self, well: bool) -> None:
        """A try has ended."""
        self.failures = 0 if well else self.failures + 1


class Poller:
    """Reads the metrics of backends, each in its own task, so that none waits for another."""

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[str]],
        told: Callable[[str, Gauges, int], None],
        clock: Callable[[], int],
        *,
        period: float = 0.25,
        timeout: float = 2.0,
    ) -> None:
        """`period` and `timeout` are seconds, `clock` gives ticks.

        - `fetch`: gives the page of a backend by its name, or raises
        - `told`: is called with a name, what was read, and when it was asked for
        """
        self._fetch, self._told, self._clock = fetch, told, clock
        self._period, self._timeout = max(1, round(period * 1e6)), timeout
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.turns: dict[str, Turns] = {}

    def watch(self, name: str) -> None:
        """Poll a backend from now on. To be called in the event loop."""
        if name not in self._tasks:
            self.turns[name] = Turns(self._period, self._clock())
            self._tasks[name] = asyncio.ensure_future(self._run(name))

    def forget(self, name: str) -> None:
        """Poll a backend no more."""
        self.turns.pop(name, None)
        if (task := self._tasks.pop(name, None)) is not None:
            task.cancel()

    async def close(self) -> None:
        """End all polling."""
        tasks = list(self._tasks.values())
        for name in list(self._tasks):
            self.forget(name)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, name: str) -> None:
        turns = self.turns[name]
        while True:
            turns.ended(await self._once(name))
            now = self._clock()
            await asyncio.sleep((turns.next(now) - now) / 1e6)

    async def _once(self, name: str) -> bool:
        """One reading; whether there was one."""
        asked = self._clock()
        try:
            async with asyncio.timeout(self._timeout):
                text = await self._fetch(name)
        except Exception:  # whatever a server or its network does: there is no reading
            return False
        gauges = read(text)
        if gauges is None:
            return False
        self._told(name, gauges, asked)
        return True
