"""What types alone cannot see to be wrong with a cluster of pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hocket.cluster.model.labels import Selector, selects
from hocket.cluster.model.rules import Budget
from hocket.core.errors import Problem
from hocket.core.scenario import repeated

if TYPE_CHECKING:
    from hocket.cluster.model.pods import Pod, Pods


def problems(cluster: Pods) -> Iterator[Problem]:
    """Every problem of a scenario, in the order of its fields."""
    if not cluster.nodes:
        yield Problem("nodes", "is empty; list at least one node")
    yield from repeated("nodes", (node.name for node in cluster.nodes))
    yield from repeated("pods", (pod.key for pod in cluster.pods))
    names = {node.name for node in cluster.nodes}
    for i, pod in enumerate(cluster.pods):
        for problem in _pod(pod, f"pods[{i}]", names):
            yield Problem(problem.path, f"{problem.message} (pod {pod.key})")
    for i, budget in enumerate(cluster.budgets):
        yield from _budget(budget, f"budgets[{i}]")


def _pod(pod: Pod, where: str, names: set[str]) -> Iterator[Problem]:
    if pod.node is not None and pod.node not in names:
        yield Problem(f"{where}.node", f"is {pod.node!r}, which is no node; mend the name")
    if pod.node is not None and pod.arrival:
        yield Problem(f"{where}.arrival", "is later than 0, but the pod runs; leave node out")
    if pod.gpus != 1 and pod.gpu_milli != 1000:
        what = f"shares of a GPU are for pods of one GPU, and this has gpus: {pod.gpus}"
        yield Problem(f"{where}.gpu_milli", f"{what}; set gpus: 1")
    for part, selector in _selectors(pod):
        yield from _selector(selector, f"{where}.{part}")
    for j, term in enumerate(pod.apart):
        wants = [near for near in pod.near if near.topology == term.topology]
        if any(
            (near.selector, near.namespaces) == (term.selector, term.namespaces) for near in wants
        ):
            what = f"keeps the pod apart, in {term.topology}, from the very pods that near wants"
            yield Problem(f"{where}.apart[{j}]", f"{what}; drop one of them")
    key = _contradiction(pod)
    if key:
        what = f"no node can have what selector and affinity ask of label {key!r}"
        yield Problem(f"{where}.selector", f"{what}; drop one of them")


def _selectors(pod: Pod) -> Iterator[tuple[str, Selector]]:
    yield "selector", pod.selector
    for i, selector in enumerate(pod.affinity):
        yield f"affinity[{i}]", selector
    for i, term in enumerate(pod.near):
        yield f"near[{i}].selector", term.selector
    for i, term in enumerate(pod.apart):
        yield f"apart[{i}].selector", term.selector
    for i, spread in enumerate(pod.spread):
        yield f"spread[{i}].selector", spread.selector


def _selector(selector: Selector, where: str) -> Iterator[Problem]:
    for i, expression in enumerate(selector):
        place, values = f"{where}[{i}].values", expression.values
        if expression.op in ("In", "NotIn") and not values:
            yield Problem(place, f"is empty; {expression.op} needs at least one value")
        if expression.op in ("Gt", "Lt") and (len(values) != 1 or not _whole(values[0])):
            yield Problem(place, f"{expression.op} needs one whole number")


def _contradiction(pod: Pod) -> str:
    """A label whose listed values exclude one another in every alternative; empty if none is."""
    found = ""
    for alternative in pod.affinity or ((),):
        allowed: dict[str, set[str]] = {}
        clash = ""
        for expression in (*pod.selector, *alternative):
            if expression.op == "In":
                values = set(expression.values)
                allowed[expression.key] = allowed.get(expression.key, values) & values
                if not allowed[expression.key]:
                    clash = expression.key
        for key, values in allowed.items():
            if values and not any(
                selects(_about(key, (*pod.selector, *alternative)), {key: value})
                for value in values
            ):
                clash = clash or key
        if not clash:
            return ""
        found = found or clash
    return found


def _about(key: str, selector: Selector) -> Selector:
    return tuple(expression for expression in selector if expression.key == key)


def _budget(budget: Budget, where: str) -> Iterator[Problem]:
    given = [
        amount for amount in (budget.min_available, budget.max_unavailable) if amount is not None
    ]
    if len(given) != 1:
        yield Problem(where, "give one of min_available and max_unavailable")
    for amount in given:
        text = str(amount).removesuffix("%") if isinstance(amount, str) else str(amount)
        if not text.isdecimal() or (isinstance(amount, str) and not amount.endswith("%")):
            yield Problem(where, f"{amount!r} is neither a whole number nor a share such as '50%'")


def _whole(text: str) -> bool:
    return text.lstrip("-").isdecimal()
