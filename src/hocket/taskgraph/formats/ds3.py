"""The text formats of the DS3 simulators: resource files and job files, apart or in one.

DS3 (S. E. Arda et al., IEEE Transactions on Computers 69, 2020) and gym_ds3 keep the processors of
a system-on-chip in one file and each job in one more. A scenario needs both: one file may hold them
below one another, and a YAML scenario may name them::

    problem: taskgraph/dag
    processors: {path: SoC.Top.txt}
    types: [{path: job_Top.txt}, {path: job_Top2.txt, weight: 2}]
    arrivals: {type: stream, gap: 25, capacity: 3}
    horizon: 5000
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hocket.core.domain import Format
from hocket.core.errors import InputError
from hocket.core.files import stem
from hocket.core.findings import refuse_binary
from hocket.taskgraph.formats import ds3_job, ds3_soc
from hocket.taskgraph.formats.ds3_write import write, write_jobs, write_resources
from hocket.taskgraph.formats.words import Words
from hocket.taskgraph.model.jobs import JobType
from hocket.taskgraph.model.processors import Communication, Processor
from hocket.taskgraph.model.scenario import TaskGraphs

_KEYWORDS = ds3_soc.KEYWORDS | ds3_job.KEYWORDS


class Parts(NamedTuple):
    """What is in a file: processors or jobs, or both."""

    processors: tuple[Processor, ...]
    communication: Communication
    types: tuple[JobType, ...]
    notes: tuple[str, ...]


def sniff(name: str, head: str) -> bool:
    """Whether the first line that is no comment opens with a keyword of DS3."""
    return next((words[0] in _KEYWORDS for _, words in _lines(head)), False)


def parse(text: str, name: str) -> Parts:
    """What is in a resource file, a job file, or both in one. Raises InputError with all lines."""
    findings = Words(name)
    refuse_binary(text, findings)
    soc, jobs = ds3_soc.SocReader(findings), ds3_job.JobReader(findings)
    current: ds3_soc.SocReader | ds3_job.JobReader | None = None
    last = 0
    for last, words in _lines(text):
        if words[0] in _KEYWORDS:
            current = soc if words[0] in ds3_soc.KEYWORDS else jobs
            if current is jobs:
                soc.close(last)
        if current is None:
            known = ", ".join(sorted(_KEYWORDS))
            findings.add(f"expected one of {known}", last)
            findings.stop_if_any()
        else:
            current.take(last, words)
        if findings.full:
            findings.stop_if_any()
    soc.close(last)
    processors, communication = soc.platform() if soc.resources else ((), Communication())
    types = jobs.types()
    if not soc.resources and not types:
        findings.add("no resources and no jobs")
    findings.stop_if_any()
    return Parts(processors, communication, types, tuple(findings.notes))


def read(text: str, name: str) -> TaskGraphs:
    """The scenario in a file that holds resources and jobs; one job of each type arrives at 0.

    Raises InputError with every problem and its line, and for a file that holds one without the
    other, saying how to put them together.
    """
    parts = parse(text, name)
    if not parts.processors or not parts.types:
        there, other = ("resources", "job") if parts.processors else ("jobs", "resource")
        key = f"processors: {{path: {name}}}" if parts.processors else f"types: [{{path: {name}}}]"
        told = f"this DS3 file holds {there} alone; a scenario needs a {other} file too"
        how = f"name both in a YAML file with problem: taskgraph/dag, this one as {key}"
        raise InputError(name, [f"{told}: {how}, or put them into one file, one below the other"])
    scenario = TaskGraphs(
        name=stem(name),
        processors=parts.processors,
        communication=parts.communication,
        types=parts.types,
        remarks=parts.notes,
    )
    if problems := list(scenario.problems()):
        raise InputError(name, problems)
    return scenario


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Numbers and words of the lines that are neither blank nor comments."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        words = line.split()
        if words and "#" in words[0]:
            continue
        for i, word in enumerate(words):
            if word.startswith("#"):
                words = words[:i]
                break
        if words:
            yield number, words


FORMAT = Format(
    name="ds3",
    summary="processors and jobs in the text format of DS3 and gym_ds3",
    suffixes=(".ds3",),
    sniff=sniff,
    read=read,
    write=write,
    comment="#",
)

RESOURCES = Format(
    name="ds3-soc",
    summary="the processors alone, as DS3's resource files",
    suffixes=(".soc",),
    sniff=sniff,
    read=read,
    write=write_resources,
    part=True,
)

JOBS = Format(
    name="ds3-job",
    summary="the jobs alone, as DS3's job files",
    suffixes=(".job",),
    sniff=sniff,
    read=read,
    write=write_jobs,
    part=True,
)
