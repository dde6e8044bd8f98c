"""Requests with contents, made from a workload that tells only lengths and equal beginnings.

Where two prompts begin with equal prefix ids they get equal tokens; everything else that a request
has, the rest of its prompt and its answer, is of one token of its own. Blocks of the prefix cache
are so equal exactly where the workload says that they are.
"""

from __future__ import annotations

import msgspec

from hocket.core.errors import UserError
from hocket.core.scenario import LONGEST
from hocket.core.streams import Streams
from hocket.serving.live.vllm.tiny import SPECIAL
from hocket.serving.model.cluster import Cluster

FIRST = len(SPECIAL)
"""The first token that means nothing special."""
STOP = SPECIAL.index("</s>")
"""The token that ends an answer before its limit."""
NEVER = -1


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request as a client sends it.

    - `arrival`: tick; `cancel`: tick at which its client goes away, -1 for never
    - `prompt`: its tokens; `token`: that of which its answer consists
    - `output`: tokens that the answer will have unless cut off; `limit`: most that it may have,
      None for as many as the engine allows
    - `priority`, `tenant`, `expected`: see roles.batching.Request
    """

    id: str
    arrival: int
    prompt: tuple[int, ...]
    token: int
    output: int
    limit: int | None = None
    priority: int = 0
    tenant: str = ""
    expected: int = 0
    cancel: int = NEVER

    def answer(self, generated: int) -> int:
        """The token that comes when there are `generated`: the last of a short answer is a stop."""
        ends = generated + 1 == self.output and (self.limit is None or self.output < self.limit)
        return STOP if ends else self.token


def asks(scenario: Cluster, seed: int = 0) -> list[Ask]:
    """The requests of a run, in order of arrival.

    Raises UserError for requests that wait for the end of others: when those end, only a run says.
    """
    drawn = scenario.workload.draw(Streams(seed), scenario.time_unit)
    if drawn.clients or (drawn.arrival < 0).any():
        raise UserError(
            f"{scenario.name or 'the scenario'}: requests that are sent when others end cannot be "
            "laid beside an engine; use a workload with arrival times"
        )
    prefixes = drawn.prefix or ((),) * len(drawn)
    units = list(dict.fromkeys(unit for ids in prefixes for unit in ids))
    token = {unit: FIRST + number for number, unit in enumerate(units)}
    found = []
    for i in range(len(drawn)):
        own, prompt, limit = FIRST + len(units) + i, int(drawn.prompt[i]), int(drawn.limit[i])
        cancel = int(drawn.cancel[i])
        shared = [token[unit] for unit in prefixes[i] for _ in range(drawn.prefix_block)]
        found.append(
            Ask(
                id=drawn.name(i),
                arrival=int(drawn.arrival[i]),
                prompt=tuple((shared + [own] * prompt)[:prompt]),
                token=own,
                output=int(drawn.output[i]),
                limit=limit if limit < LONGEST else None,
                priority=int(drawn.priority[i]),
                tenant=drawn.tenants[int(drawn.tenant[i])],
                expected=int(drawn.expected[i]),
                cancel=int(drawn.arrival[i]) + cancel if cancel >= 0 else NEVER,
            )
        )
    return found
