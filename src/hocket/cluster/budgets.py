"""How many pods every disruption budget covers, and how many of them are up."""

from __future__ import annotations

from collections.abc import Iterable

from hocket.cluster.model.covering import Covering
from hocket.cluster.model.pods import Pod
from hocket.cluster.model.rules import Budget


class Budgets:
    """Budgets, and the pods that they cover.

    - `pods[b]`: how many pods budget b covers that have come and not ended
    - `up[b]`: how many of these are on a node and not leaving it
    - `covering(pod)`: the numbers of the budgets that cover a pod
    """

    def __init__(self, budgets: tuple[Budget, ...]) -> None:
        """No pod has come yet."""
        self.budgets = budgets
        self.pods = [0] * len(budgets)
        self.up = [0] * len(budgets)
        self.covering = Covering(budgets).of

    @classmethod
    def of(cls, budgets: tuple[Budget, ...], up: Iterable[Pod], others: Iterable[Pod]) -> Budgets:
        """The books for pods that are up, and others that are not."""
        books = cls(budgets)
        if budgets:
            for pod in up:
                books.come(pod)
                books.rise(pod)
            for pod in others:
                books.come(pod)
        return books

    def come(self, pod: Pod, by: int = 1) -> None:
        """A pod has come; with `by` -1, it has ended."""
        for b in self.covering(pod):
            self.pods[b] += by

    def rise(self, pod: Pod, by: int = 1) -> None:
        """A pod is up; with `by` -1, no more: it leaves its node."""
        for b in self.covering(pod):
            self.up[b] += by

    def spare(self, b: int) -> int:
        """How many more pods budget b can bear to lose; negative if too many are down already."""
        return self.up[b] - self.budgets[b].needed(self.pods[b])

    def refusal(self, pod: Pod) -> str:
        """Why a pod that is up may not be evicted; empty if it may."""
        for b in self.covering(pod):
            if self.spare(b) < 1:
                needed = self.budgets[b].needed(self.pods[b])
                name = self.budgets[b].name
                return f"budget {name} needs {needed} pods up, and {self.up[b]} are"
        return ""
