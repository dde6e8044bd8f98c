"""A scheduler that treats an extender as kube-scheduler does; for tests, and no faster than that.

Own filters, then the extender's on what is left; own scores (the emptiest node is the best) plus
the extender's times its weight times ten; then the binding.
"""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any

from tests.cluster.live.apiserver import ApiServer, Json
from tests.cluster.live.apiserver import pods as subresources
from tests.cluster.live.apiserver.controllers.scheduler import fits, left

_WEIGHT = 100
_STRETCH = 10  # an extender scores up to 10, plug-ins up to 100


class StockScheduler:
    """Places the pending pods of a server; `extender` is the address of one, if there is one."""

    def __init__(self, server: ApiServer, extender: tuple[str, int] | None = None) -> None:
        self.server, self.extender = server, extender

    def round(self) -> list[str]:
        """Try every pending pod once, those made last first; the names of those that got a node.

        Older ones are still in their back-off when a pod comes that was just made anew.
        """
        placed = []
        waiting = [pod for pod in self.server.objects("pods") if self._waits(pod)]
        waiting.sort(key=lambda pod: -int(pod["metadata"]["resourceVersion"]))
        for pod in waiting:
            node = self._choose(pod)
            if node:
                target = {"target": {"kind": "Node", "name": node}}
                meta = pod["metadata"]
                subresources.bind(self.server.api, meta["namespace"], meta["name"], target)
                placed.append(meta["name"])
        return placed

    def _waits(self, pod: Json) -> bool:
        return not pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"]

    def _choose(self, pod: Json) -> str:
        api = self.server.api
        nodes = {node["metadata"]["name"]: node for node in self.server.objects("nodes")}
        names = [name for name, node in nodes.items() if fits(api, pod, node)]
        scores = {name: float(left(api, nodes[name])["cpu"]) * 100 for name in names}
        if self.extender is not None and names:
            shown = {"kind": "Pod", "apiVersion": "v1", **pod}
            names = self._ask("/filter", {"Pod": shown, "NodeNames": names})["NodeNames"]
            for one in self._ask("/prioritize", {"Pod": shown, "NodeNames": names}):
                scores[one["Host"]] += one["Score"] * _WEIGHT * _STRETCH
        return max(names, key=lambda name: scores[name], default="")

    def _ask(self, verb: str, question: Json) -> Any:
        assert self.extender is not None
        connection = HTTPConnection(*self.extender, timeout=10)
        try:
            connection.request("POST", verb, json.dumps(question))
            answer = connection.getresponse()
            data = answer.read()
            assert answer.status == 200, data
            return json.loads(data)
        finally:
            connection.close()
