"""The few bodies that kubectl sends as protobuf, read back into what they would be as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.cluster.live.apiserver.errors import Json, bad_request, unsupported

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"

# A message by its field numbers: the name in JSON, and what is inside.
_META = {
    1: ("name", "text"),
    2: ("generateName", "text"),
    3: ("namespace", "text"),
    5: ("uid", "text"),
    6: ("resourceVersion", "text"),
    11: ("labels", "map"),
    12: ("annotations", "map"),
}
_OPTIONS = {
    1: ("gracePeriodSeconds", "number"),
    2: ("preconditions", {1: ("uid", "text"), 2: ("resourceVersion", "text")}),
    4: ("propagationPolicy", "text"),
    5: ("dryRun", "texts"),
}
_ATTRIBUTES = {
    1: ("namespace", "text"),
    2: ("verb", "text"),
    3: ("group", "text"),
    4: ("version", "text"),
    5: ("resource", "text"),
    6: ("subresource", "text"),
    7: ("name", "text"),
}
_MESSAGES: dict[str, dict[int, tuple[str, Any]]] = {
    "Eviction": {1: ("metadata", _META), 2: ("deleteOptions", _OPTIONS)},
    "DeleteOptions": _OPTIONS,
    "Binding": {
        1: ("metadata", _META),
        2: ("target", {1: ("kind", "text"), 3: ("name", "text"), 5: ("apiVersion", "text")}),
    },
    "Namespace": {1: ("metadata", _META)},
    "SelfSubjectAccessReview": {2: ("spec", {1: ("resourceAttributes", _ATTRIBUTES)})},
}
_ENVELOPE = {1: ("type", {1: ("apiVersion", "text"), 2: ("kind", "text")}), 2: ("raw", "bytes")}


def decoded(body: bytes) -> Json:
    """The object of a body; 415 for kinds that are not known here."""
    if not body.startswith(_MAGIC):
        raise bad_request("the body is no protobuf of Kubernetes")
    try:
        envelope = _message(body[len(_MAGIC) :], _ENVELOPE)
        kind = envelope["type"]["kind"]
        if kind not in _MESSAGES:
            raise unsupported(f"this server reads {kind} as JSON only")
        return {**envelope["type"], **_message(envelope["raw"], _MESSAGES[kind])}
    except (KeyError, IndexError, UnicodeDecodeError) as error:
        raise bad_request("the body is no sound protobuf") from error


def _message(data: bytes, fields: dict[int, tuple[str, Any]]) -> Json:
    found: Json = {}
    for number, value in _fields(data):
        if number not in fields:
            continue
        name, inside = fields[number]
        if isinstance(inside, dict):
            found[name] = _message(value, inside)
        elif inside == "texts":
            found.setdefault(name, []).append(value.decode())
        elif inside == "map":
            pair = _message(value, {1: ("key", "text"), 2: ("value", "text")})
            found.setdefault(name, {})[pair["key"]] = pair.get("value", "")
        elif inside == "text":
            if value:  # protobuf writes empty text where JSON leaves the field out
                found[name] = value.decode()
        else:
            found[name] = value
    return found


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
        elif wire == 2:
            size, at = _varint(data, at)
            yield number, data[at : at + size]
            at += size
        else:
            raise bad_request(f"the body has protobuf of wire type {wire}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
