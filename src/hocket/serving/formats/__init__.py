"""Readers of request logs, and writers of two plain formats."""

from hocket.core.domain import Format
from hocket.serving.formats import lengths, openai, plain, published, vllm_bench
from hocket.serving.formats.log import LogFormat

# The first whose `sniff` says yes reads a file: those that are surest of themselves come first.
_SURE: tuple[LogFormat, ...] = (*published.LOGS, vllm_bench.LOG, openai.LOG)

LOGS: tuple[LogFormat, ...] = (*_SURE, *plain.LOGS)

FORMATS: tuple[Format, ...] = (
    *(log.format for log in _SURE),
    lengths.FORMAT,
    *(log.format for log in plain.LOGS),
)
