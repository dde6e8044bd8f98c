"""The formats in which request logs are published, each said by its columns."""

from __future__ import annotations

from hocket.serving.formats.log import Layout, LogFormat, log_format, log_of
from hocket.serving.formats.table import csv_table, header_of, jsonl_table, keys_of

AZURE = Layout(arrival=("timestamp",), prompt=("contexttokens",), output=("generatedtokens",))
"""Azure LLM inference traces 2023 and 2024 (github.com/Azure/AzurePublicDataset): the dates of
2023 have seven digits of a second and no zone, those of 2024 have six and ``+00:00``."""

BURSTGPT = Layout(
    arrival=("timestamp",), prompt=("request_tokens",), output=("response_tokens",), name=()
)
"""BurstGPT (github.com/HPMLL/BurstGPT), with or without the columns Session ID and Elapsed time.
Times are seconds since the first day of the collection; failed requests have no response tokens."""

VIDUR = Layout(
    arrival=("arrived_at",), prompt=("num_prefill_tokens",), output=("num_decode_tokens",)
)
"""Processed traces of Vidur and Sarathi-Serve (github.com/microsoft/vidur): times in seconds."""

MOONCAKE = Layout(
    arrival=("timestamp",),
    prompt=("input_length",),
    output=("output_length",),
    prefix=("hash_ids",),
    prefix_block=512,
    unit="ms",
)
"""Mooncake traces (github.com/kvcache-ai/Mooncake): times in ms, hash ids of 512-token blocks."""

ENGINE = Layout(arrival=("queued_ts",), prompt=("input_toks",), output=("output_toks",))
"""What LLMServingSim records of vLLM's engine (github.com/casys-kaist/LLMServingSim). A request
arrives when the engine queues it, by the clock that also times its tokens."""


def _needed(layout: Layout) -> set[str]:
    """The columns by which a format is recognised."""
    return {layout.arrival[0], layout.prompt[0], layout.output[0]}


def _csv_log(name: str, summary: str, layout: Layout) -> LogFormat:
    return log_format(
        name,
        summary,
        (".csv",),
        lambda file, head: _needed(layout) <= header_of(head),
        lambda text, findings: log_of(csv_table(text, findings), layout, findings),
    )


def _jsonl_log(name: str, summary: str, layout: Layout) -> LogFormat:
    return log_format(
        name,
        summary,
        (".jsonl",),
        lambda file, head: _needed(layout) <= keys_of(head),
        lambda text, findings: log_of(jsonl_table(text, findings), layout, findings),
    )


LOGS = (
    _csv_log("azure-llm", "Azure trace: TIMESTAMP, ContextTokens, GeneratedTokens", AZURE),
    _csv_log("burstgpt", "BurstGPT trace: Timestamp, Request tokens, Response tokens", BURSTGPT),
    _csv_log("vidur-trace", "arrived_at, num_prefill_tokens, num_decode_tokens", VIDUR),
    _jsonl_log("mooncake", "timestamp (ms), input_length, output_length, hash_ids", MOONCAKE),
    _jsonl_log("vllm-log", "vLLM engine log: input_toks, output_toks, queued_ts", ENGINE),
)
