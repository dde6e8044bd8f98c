"""Which disruption budgets cover a pod, found by its labels and not by asking every budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hocket.cluster.model.pods import Pod
from hocket.cluster.model.rules import Budget


class Covering:
    """The budgets of a cluster, by namespace and by a label that they ask for.

    `of` gives the same as `Budget.covers` asked of each; a cluster of thousands of budgets, each
    for a few pods, is so looked through once for each budget and once for each kind of pod.
    """

    def __init__(self, budgets: tuple[Budget, ...]) -> None:
        """Budgets are numbered in their order."""
        self._budgets = budgets
        self._asking: dict[tuple[str, str, str], list[int]] = {}
        self._others: dict[str, list[int]] = {}
        self._known: dict[object, tuple[int, ...]] = {}
        for b, budget in enumerate(budgets):
            label = next((e for e in budget.selector if e.op == "In"), None)
            if label is None:
                self._others.setdefault(budget.namespace, []).append(b)
                continue
            for value in dict.fromkeys(label.values):
                self._asking.setdefault((budget.namespace, label.key, value), []).append(b)

    def of(self, pod: Pod) -> tuple[int, ...]:
        """The numbers of the budgets that cover a pod, in order."""
        if not self._budgets:
            return ()
        kind = (pod.namespace, tuple(sorted(pod.labels.items())))
        known = self._known.get(kind)
        if known is None:
            possible = sorted(self._possible(pod.namespace, pod.labels))
            known = self._known[kind] = tuple(
                b for b in possible if self._budgets[b].covers(pod.namespace, pod.labels)
            )
        return known

    def _possible(self, namespace: str, labels: Mapping[str, str]) -> Iterator[int]:
        yield from self._others.get(namespace, ())
        for key, value in labels.items():
            yield from self._asking.get((namespace, key, value), ())
