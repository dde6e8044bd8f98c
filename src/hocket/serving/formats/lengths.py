"""Files of prompt and answer lengths without times: requests are drawn from their rows."""

from __future__ import annotations

from hocket.core.domain import Format
from hocket.core.files import stem
from hocket.core.findings import Findings
from hocket.core.scenario import Scenario
from hocket.serving.formats.cells import tokens
from hocket.serving.formats.log import NAME, OUTPUT, PROMPT
from hocket.serving.formats.table import csv_table, header_of
from hocket.serving.workload import Pairs, Random, Rate

# What else such files hold. Any other column might be a time under a name that is not known.
_BESIDE = {
    *NAME,
    "num_total_tokens",
    "total_tokens",
    "total",
    "pd_ratio",
    "model",
    "reasoning_tokens",
}


def sniff(name: str, head: str) -> bool:
    """Whether the header names lengths of prompts and answers, and nothing that may be a time."""
    there = header_of(head)
    lengths = {*PROMPT, *OUTPUT} & there
    both = bool(lengths & {*PROMPT}) and bool(lengths & {*OUTPUT})
    return both and there - lengths <= _BESIDE


def parse(text: str, findings: Findings) -> Random:
    """Requests of these lengths, one per second on average (Poisson), as many as there are rows.

    Rows are drawn whole, so that prompts keep their answers. Those without a token of prompt or
    answer are left out. Raises InputError with every problem.
    """
    table = csv_table(text, findings)
    prompt, output = table.first(PROMPT), table.first(OUTPUT)
    for what, column in (("prompts", prompt), ("answers", output)):
        if column is None:
            findings.add(f"no column holds the lengths of {what}; there is {table.found}")
    read = [tokens(c, table.lines, findings) for c in (prompt, output) if c is not None]
    findings.stop_if_any()
    some = (read[0] > 0) & (read[1] > 0)
    if not some.any():
        findings.add("no row has tokens of both prompt and answer")
    findings.stop_if_any()
    prompts, outputs = (tuple(column[some].tolist()) for column in read)
    lengths = Pairs(prompt=prompts, output=outputs)
    return Random(count=len(prompts), arrivals=Rate(rate=1.0), lengths=lengths)


def read(text: str, name: str = "") -> Scenario:
    """A cluster of one default replica that meets them. Raises InputError."""
    # The model imports workloads and knows no formats, so that this is no circle.
    from hocket.serving.model.cluster import Cluster

    return Cluster(name=stem(name), workload=parse(text, Findings(name or "lengths")))


FORMAT = Format(
    name="request-lengths",
    summary="lengths without times: num_prefill_tokens, num_decode_tokens",
    suffixes=(".csv",),
    sniff=sniff,
    read=read,
)
