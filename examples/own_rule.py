"""A dispatching rule of one's own, in one file.

``hocket run shop/ta01 --policy examples/own_rule.py`` runs it too.
"""

from typing import ClassVar

import hocket
from hocket.shop.dispatch import ShopView
from hocket.shop.model.arrays import Ints
from hocket.shop.policies.rules import Rule, Values


class ShortestWithRegard(Rule, frozen=True):
    """Shortest processing time, less a share of the work that remains in the job."""

    name: ClassVar[str] = "shop/shortest-with-regard"
    share: float = 0.1

    def priority(self, view: ShopView, op: Ints) -> Values:
        """The value of each waiting operation of `op`; the smallest goes first."""
        return view.duration[op] - self.share * view.remaining_work[op]


if __name__ == "__main__":
    shops = ["shop/ta01", "shop/ta02", "shop/ta03"]
    rules = [
        hocket.load_policy("shop/spt"),
        hocket.load_policy("shop/mwkr"),
        hocket.load_policy(__file__),
        hocket.load_policy(__file__, share=0.3),
    ]
    for row in hocket.compare(shops, rules, workers=1).rows:
        if row.metric == "makespan":
            print(f"{row.scenario}  {row.policy:38} {row.mean:g}")
