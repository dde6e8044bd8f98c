"""Readers and writers of the formats that the field uses for task graphs."""

from hocket.core.domain import Format
from hocket.taskgraph.formats import dot, ds3, stg, wfcommons

# The first whose `sniff` says yes reads a file: those that are surest of themselves come first.
FORMATS: tuple[Format, ...] = (
    ds3.FORMAT,
    ds3.RESOURCES,
    ds3.JOBS,
    wfcommons.FORMAT,
    dot.FORMAT,
    stg.FORMAT,
)
