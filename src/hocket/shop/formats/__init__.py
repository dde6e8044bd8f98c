"""Readers and writers of the field's own file formats, one file each."""

from hocket.core.domain import Format
from hocket.shop.formats import fjsplib, jobs_csv, jsplib, progen_max, psplib

# The first whose `sniff` says yes reads a file: those that are surest of themselves come first.
FORMATS: tuple[Format, ...] = (
    jobs_csv.FORMAT,
    psplib.FORMAT,
    progen_max.FORMAT,
    fjsplib.FORMAT,
    jsplib.FORMAT,
)
