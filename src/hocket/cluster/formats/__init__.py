"""File formats of clusters."""

from hocket.cluster.formats import eventlog, kubectl, openb_files, trace
from hocket.core.domain import Format

FORMATS: tuple[Format, ...] = (
    kubectl.FORMAT,
    openb_files.FORMAT,
    eventlog.FORMAT,
    trace.FORMAT,
)
