"""OpenB lists in a folder: either of them, or the folder, loads with the other one."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from hocket.cluster.formats import openb
from hocket.cluster.model.pod_lists import PodList
from hocket.cluster.model.pods import Pods
from hocket.core import files
from hocket.core.domain import Format
from hocket.core.errors import InputError

_HEAD = 4096
_USUAL = ("openb_node_list_all_node.csv", "openb_pod_list_default.csv")
_MOST_FILES = 1000


def sniff(name: str, head: str) -> bool:
    """Whether the text opens as a list of pods or of nodes does."""
    return bool(openb.kind_of(head))


def read(text: str, name: str) -> NoReturn:
    """Raises InputError: of one list without its folder no scenario can be made."""
    kind, other = ("nodes", "pod") if openb.kind_of(text) == "nodes" else ("pods", "node")
    told = f"this is a list of {kind} alone; name the file in a folder that has a {other} list too"
    raise InputError(name, [told])


def claims(path: Path, head: bytes) -> bool:
    """Whether this is one of the lists, or a folder that holds one."""
    if path.is_dir():
        return any(_lists(path))
    return bool(openb.kind_of(head.decode("utf-8", "replace")))


def stream(path: Path) -> Pods:
    """The cluster of a list and its companion in the same folder, or of a folder; dynamic.

    Where several lists could be meant, that of the usual name is; but a folder with several pod
    lists is refused. Raises InputError.
    """
    folder = path if path.is_dir() else path.parent
    nodes, pods = _lists(folder)
    if path.is_dir():
        if len(pods) > 1:
            names = ", ".join(one.name for one in pods[:5])
            told = f"there are {len(pods)} pod lists: {names}; name the one that is meant"
            raise InputError(files.display(path), [told])
    elif openb.kind_of(files.head(path, _HEAD).decode("utf-8", "replace")) == "nodes":
        nodes = [path]
    else:
        pods = [path]
    return _cluster(_one(nodes, "node", folder), _one(pods, "pod", folder))


def _cluster(nodes: Path, pods: Path) -> Pods:
    found = openb.read_nodes(files.text(nodes), files.display(nodes))
    chosen = PodList(path=pods.name)
    return Pods(
        name=files.stem(pods),
        time_unit="s",
        nodes=found,
        pods=openb.read_pods(files.text(pods), files.display(pods), chosen),
        remarks=(
            f"the nodes are those of {nodes.name}; pods come and go as they were recorded (a file "
            "that names the lists can say reading: static, for all at once)",
        ),
    )


def _one(lists: list[Path], kind: str, folder: Path) -> Path:
    """The one list, or that of the usual name."""
    usual = [one for one in lists if one.name in _USUAL] or lists
    if len(usual) == 1:
        return usual[0]
    if usual:
        told = f"there are {len(usual)} {kind} lists: {', '.join(one.name for one in usual[:5])}"
        told += "; name those that are meant: nodes: {path: FILE} and pods: {path: FILE} in YAML"
    else:
        told = f"there is no OpenB {kind} list beside it; put one into the same folder"
    raise InputError(files.display(folder), [told])


def _lists(folder: Path) -> tuple[list[Path], list[Path]]:
    """The lists of nodes, and those of pods, in a folder."""
    found: dict[str, list[Path]] = {"nodes": [], "pods": []}
    for path in sorted(folder.glob("*.csv"))[:_MOST_FILES]:
        try:
            kind = openb.kind_of(files.head(path, _HEAD).decode("utf-8", "replace"))
        except OSError:
            continue
        if kind:
            found[kind].append(path)
    return found["nodes"], found["pods"]


FORMAT = Format(
    name="openb",
    summary="the node and pod lists of OpenB, a cluster of GPUs at Alibaba",
    suffixes=(".csv",),
    sniff=sniff,
    read=read,
    claims=claims,
    stream=stream,
)
