"""Where a pod may run: affinity, tolerations, spread, as the API writes them.

What selects nothing at all (a null label selector, an empty node selector term) becomes `NOTHING`,
which no labels meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast, get_args

from hocket.cluster.formats.kubernetes_parts import Part
from hocket.cluster.model.labels import Expression, Operator, Selector
from hocket.cluster.model.pods import NAME
from hocket.cluster.model.rules import (
    Effect,
    Preferred,
    PreferredNode,
    Spread,
    Taint,
    Term,
    Toleration,
)

NOTHING: Selector = (Expression(key="hocket.dev/nothing", op="Exists"),)
"""A selector that no labels meet."""

EVERYWHERE = ("*",)

_EFFECTS = get_args(Effect)
_OPERATORS = get_args(Operator)
_OF_PODS = ("In", "NotIn", "Exists", "DoesNotExist")
_NAMESPACE = "kubernetes.io/metadata.name"


def taint(part: Part) -> Taint:
    """A taint of a node."""
    effect = part.one_of("effect", _EFFECTS, "NoSchedule")
    return Taint(key=part.text("key"), value=part.text("value"), effect=cast(Effect, effect))


def toleration(part: Part) -> Toleration | None:
    """A toleration of a pod, for however long; None, and a note, for operators that compare."""
    op = part.text("operator", "Equal")
    if op in ("Lt", "Gt"):
        part.trouble.note("tolerations that compare numbers (Lt, Gt) are taken not to bear a taint")
        return None
    op = part.one_of("operator", ("Equal", "Exists"), "Equal")
    effect = part.one_of("effect", ("", *_EFFECTS), "")
    return Toleration(
        key=part.text("key"),
        op="Exists" if op == "Exists" else "Equal",
        value=part.text("value"),
        effect=cast(Effect, effect),
    )


def expressions(part: Part, key: str, allowed: tuple[str, ...]) -> Selector:
    """The requirements that are listed behind a key."""
    found = []
    for one in part.parts(key):
        for needed in ("key", "operator"):
            if not one.text(needed):
                one.say(needed, "is missing; a requirement needs one")
        op = one.one_of("operator", allowed, "Exists") if one.has("operator") else "Exists"
        values = one.texts("values")
        if op in ("In", "NotIn") and not values:
            one.say("values", f"is empty; {op} needs at least one value")
        if op in ("Gt", "Lt") and not (len(values) == 1 and _whole(values[0])):
            one.say("values", f"{op} needs one whole number")
        found.append(Expression(key=one.text("key"), op=cast(Operator, op), values=values))
    return tuple(found)


def labels_selector(labels: Mapping[str, str]) -> Selector:
    """The selector of all these labels."""
    return tuple(Expression(key=key, values=(value,)) for key, value in labels.items())


def selector(part: Part, key: str) -> Selector:
    """A label selector: null selects nothing, and an empty one everything."""
    if not part.has(key):
        return NOTHING
    inner = part.part(key)
    listed = expressions(inner, "matchExpressions", _OF_PODS)
    return labels_selector(inner.labels("matchLabels")) + listed


def node_term(part: Part) -> Selector:
    """A node selector term; its fields know only the node's name, the label `NAME` here."""
    fields = expressions(part, "matchFields", ("In", "NotIn"))
    for i, one in enumerate(fields):
        if one.key != "metadata.name":
            part.say(f"matchFields[{i}].key", f"is {one.key!r}; the only field is metadata.name")
    named = tuple(Expression(key=NAME, op=one.op, values=one.values) for one in fields)
    return expressions(part, "matchExpressions", _OPERATORS) + named or NOTHING


def node_affinity(affinity: Part) -> tuple[tuple[Selector, ...], tuple[PreferredNode, ...]]:
    """The alternatives of nodes that a pod needs, and the nodes that it prefers."""
    part = affinity.part("nodeAffinity")
    needed: tuple[Selector, ...] = ()
    if part.has("requiredDuringSchedulingIgnoredDuringExecution"):
        inner = part.part("requiredDuringSchedulingIgnoredDuringExecution")
        terms = [node_term(one) for one in inner.parts("nodeSelectorTerms")]
        needed = tuple(one for one in terms if one is not NOTHING) or (NOTHING,)
    preferred = []
    for one in part.parts("preferredDuringSchedulingIgnoredDuringExecution"):
        weight = one.whole("weight", 1, 1, 100)
        term = node_term(one.part("preference"))
        if term is not NOTHING:  # an empty preference fits all nodes, with no weight
            preferred.append(PreferredNode(weight=weight, selector=term))
    return needed, tuple(preferred)


def pod_terms(affinity: Part, kind: str, labels: Mapping[str, str]) -> Iterator[Term]:
    """The required terms of ``podAffinity`` or ``podAntiAffinity``."""
    part = affinity.part(kind)
    for one in part.parts("requiredDuringSchedulingIgnoredDuringExecution"):
        term = _pod_term(one, labels)
        if kind == "podAffinity" or term.selector is not NOTHING:
            yield term


def preferred_terms(affinity: Part, labels: Mapping[str, str]) -> Iterator[Preferred]:
    """The preferred terms; those of ``podAntiAffinity`` with a negative weight."""
    for kind, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
        for one in affinity.part(kind).parts("preferredDuringSchedulingIgnoredDuringExecution"):
            weight = sign * one.whole("weight", 1, 1, 100)
            term = _pod_term(one.part("podAffinityTerm"), labels)
            if term.selector is not NOTHING:
                yield Preferred(weight=weight, term=term)


def _pod_term(part: Part, labels: Mapping[str, str]) -> Term:
    topology = part.text("topologyKey")
    if not topology:
        part.say("topologyKey", "is missing; name the label whose value makes a domain")
    return Term(
        selector=_like(part, selector(part, "labelSelector"), labels),
        topology=topology,
        namespaces=_namespaces(part),
    )


def _like(part: Part, base: Selector, labels: Mapping[str, str]) -> Selector:
    """A selector, and that pods share, or do not share, some labels with this one."""
    if base is NOTHING:
        return base
    same = {key: labels[key] for key in part.texts("matchLabelKeys") if key in labels}
    other = {key: labels[key] for key in part.texts("mismatchLabelKeys") if key in labels}
    unlike = tuple(Expression(key=k, op="NotIn", values=(v,)) for k, v in other.items())
    added = [one for one in labels_selector(same) + unlike if one not in base]
    return base + tuple(added)


def _namespaces(part: Part) -> tuple[str, ...]:
    """Names of namespaces; ``*`` for all, and for a selector that is not about the name."""
    named = part.texts("namespaces")
    if not part.has("namespaceSelector"):
        return named
    chosen = selector(part, "namespaceSelector")
    if not chosen:
        return EVERYWHERE
    first = chosen[0]
    if len(chosen) == 1 and first.key == _NAMESPACE and first.op == "In":
        return tuple(dict.fromkeys((*named, *first.values)))
    part.trouble.note("terms that select namespaces by labels are taken to mean all namespaces")
    return EVERYWHERE


def spread(part: Part, labels: Mapping[str, str]) -> Spread | None:
    """A topology spread constraint; None for one that counts no pods."""
    when = part.one_of("whenUnsatisfiable", ("DoNotSchedule", "ScheduleAnyway"), "DoNotSchedule")
    topology = part.text("topologyKey")
    if not topology:
        part.say("topologyKey", "is missing; name the label whose value makes a domain")
    skew = part.whole("maxSkew", 1, 1)
    chosen = _like(part, selector(part, "labelSelector"), labels)
    if part.has("minDomains") and part.data["minDomains"] != 1:
        part.trouble.note("minDomains of topologySpreadConstraints does not count")
    if (
        part.text("nodeAffinityPolicy", "Honor") != "Honor"
        or part.text("nodeTaintsPolicy", "Ignore") != "Ignore"
    ):
        told = "domains of topologySpreadConstraints honour affinity and not taints"
        part.trouble.note(f"{told}, whatever their policies say")
    if chosen is NOTHING:
        return None
    return Spread(topology=topology, selector=chosen, max_skew=skew, hard=when == "DoNotSchedule")


def _whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
