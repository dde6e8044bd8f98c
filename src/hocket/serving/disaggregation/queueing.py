"""Mean time to first token of prefill instances as M/D/1 queues: why parallelism is not for free.

Requests of equal length arrive as a Poisson process, and each prefill takes the same time. Waiting
is that of M/D/1; two GPUs either halve the stages (inter-operator, a pipeline) or shorten the
service by a factor below two (intra-operator, tensor parallelism). At low rates the shorter service
wins, at high rates the pipeline, which loses nothing to communication.

Times are in the unit of `service`, rates in its inverse. All raise UserError where the queue would
grow without bound.

Source: Zhong et al., DistServe, OSDI 2024, section 3.1, equations 1 to 3.
"""

from __future__ import annotations

from hocket.core.errors import UserError


def one_gpu(rate: float, service: float, replicas: int = 1) -> float:
    """Mean time to first token on one GPU; `replicas` share the rate evenly.

    >>> round(one_gpu(2.0, 0.3), 4)
    0.525
    """
    load = _load(rate / replicas, service, 1.0)
    return service + service * load / (2 * (1 - load))


def pipeline(rate: float, service: float) -> float:
    """The same for a pipeline of two stages that each take half the service.

    >>> round(pipeline(2.0, 0.3), 5)
    0.33214
    """
    load = _load(rate, service, 2.0)
    return service + service * load / (4 * (2 - load))


def tensor(rate: float, service: float, speedup: float) -> float:
    """The same for two GPUs that together are `speedup` times as fast, between 1 and 2.

    >>> round(tensor(2.0, 0.3, 1.7), 4)
    0.2246
    """
    load = _load(rate, service, speedup)
    return service / speedup + service * load / (2 * speedup * (speedup - load))


def crossover(speedup: float) -> float:
    """The load ``rate * service`` at which the pipeline becomes better than tensor parallelism.

    `speedup` lies between 1 and 2. Raises UserError otherwise.

    >>> round(crossover(1.7), 4)
    1.2571
    """
    if not 1.0 < speedup < 2.0:
        raise UserError(f"two GPUs are between 1 and 2 times as fast as one, not {speedup} times")
    low, high = 0.0, speedup
    while (middle := (low + high) / 2) not in (low, high):
        if tensor(middle, 1.0, speedup) < pipeline(middle, 1.0):
            low = middle
        else:
            high = middle
    return low


def _load(rate: float, service: float, capacity: float) -> float:
    load = rate * service
    if not 0 <= load < capacity or service <= 0:
        raise UserError(
            f"a load of {rate} x {service} = {load:g} is not between 0 and {capacity:g}: the queue "
            "has no mean"
        )
    return load
