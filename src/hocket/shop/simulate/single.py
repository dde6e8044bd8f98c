"""The single machine: a job shop with one machine and one operation per job."""

from __future__ import annotations

from hocket.core.kernel import Kernel
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.shop.model.single import SingleMachine
from hocket.shop.simulate.jobshop import play


def simulate(
    scenario: SingleMachine, policy: Policy, *, seed: int = 0, kernel: Kernel | None = None
) -> Timeline:
    """Play `policy` on the machine; spans and errors as in the job shop."""
    streams = Streams(seed)
    decider = policy.begin(scenario, streams)
    return play(scenario.as_job_shop(), decider, policy.name, streams, kernel)
