"""How admission rules fill memory, without a clock: decode steps instead of seconds.

The behaviour simulation of Gong et al., "Past-Future Scheduler for LLM Serving under SLA
Guarantees", ASPLOS 2025 (the artifact's folder ``behavior-analysis``), written anew: one engine of
fixed capacity, an endless queue, ten decode steps between two rounds of admission. It counts the
steps that 3000 requests take, how full memory was, how full it would have become, and how many
requests were evicted. Random numbers are consumed in the artifact's order, so that its figures come
out digit by digit; `hocket.serving.simulate` has the same policies under seconds and blocks.
"""

from hocket.serving.behaviour.admission import ADMISSIONS, Admission
from hocket.serving.behaviour.simulation import Behaviour, simulate
from hocket.serving.behaviour.work import DISTRIBUTIONS, Job, Luck, jobs

__all__ = [
    "ADMISSIONS",
    "DISTRIBUTIONS",
    "Admission",
    "Behaviour",
    "Job",
    "Luck",
    "jobs",
    "simulate",
]
