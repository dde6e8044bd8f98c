"""A policy is its own configuration: it can be written, read back, sent, compared and printed."""

from __future__ import annotations

import json
import pickle
from typing import Any

import msgspec

from hocket.core.convert import convert
from hocket.core.errors import HocketError
from hocket.core.load import load_policy
from hocket.core.policy import Policy, spec, summary
from hocket.core.registry import domains, policies
from hocket.testing.errors import ConfigurationError


def check_configuration(policy: Policy) -> list[str]:
    """Check one policy object; returns what was checked. Raises ConfigurationError."""
    kind = type(policy)
    _check_class(kind)
    _check_frozen(policy)
    _check_copy(policy, _reread(policy), "written as data and read back")
    try:
        sent = pickle.loads(pickle.dumps(policy))
    except Exception as error:
        raise ConfigurationError(f"{policy} cannot be pickled: {error}") from error
    _check_copy(policy, sent, "pickled and unpickled")
    return ["configuration: class, defaults, frozen, data, text, pickle, equality"]


def _check_class(kind: type[Policy]) -> None:
    what = kind.__name__
    domain, slash, rest = kind.name.partition("/")
    if not (domain and slash and rest):
        raise ConfigurationError(f"{what}.name is {kind.name!r}; it reads domain/policy")
    if not kind.problems:
        raise ConfigurationError(f"{what}.problems is empty: list the tags that it handles")
    if not summary(kind):
        raise ConfigurationError(f"{what} has no docstring; its first line is shown in lists")
    missing = [field.name for field in msgspec.structs.fields(kind) if field.required]
    if missing:
        raise ConfigurationError(f"{what} has fields without default: {', '.join(missing)}")


def _check_frozen(policy: Policy) -> None:
    # Any attribute must be refused: a field, and one that is none.
    for name in (*policy.__struct_fields__, "anything"):
        value = getattr(policy, name, None)
        try:
            setattr(policy, name, value)
        except (AttributeError, TypeError):
            continue
        raise ConfigurationError(f"{policy}.{name} can be set: declare the class frozen=True")


def _reread(policy: Policy) -> Policy:
    """The policy after a detour through text."""
    try:
        data = json.loads(json.dumps(spec(policy)))
        if _registered(policy):
            return load_policy(data)
        fields: dict[str, Any] = {key: data[key] for key in data if key != "policy"}
        return convert(fields, type(policy), source=policy.name)
    except (HocketError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{policy} cannot be read back from its data: {error}") from error


def _registered(policy: Policy) -> bool:
    """Whether its name leads to its class; one that is still being written has no such name."""
    domain = policy.name.partition("/")[0]
    return domain in domains() and policies(domain).get(policy.name) is type(policy)


def _check_copy(policy: Policy, copy: Any, how: str) -> None:
    if type(copy) is not type(policy) or copy != policy:
        raise ConfigurationError(f"{policy} became {copy!r} when {how}")
    if str(copy) != str(policy):
        raise ConfigurationError(f"{policy} prints as {copy} when {how}")
    if any(isinstance(getattr(policy, name), dict) for name in policy.__struct_fields__):
        return  # a mapping has no hash, so neither has the policy
    if hash(copy) != hash(policy):
        raise ConfigurationError(f"{policy} has another hash when {how}")
