"""What disturbs a plan: arrivals, noise in durations, breakdowns, and closing hours.

Each process is a frozen struct, written in a scenario file as a mapping with its `kind`::

    arrivals: {kind: poisson, rate: 0.02}
    noise: {kind: lognormal, cv: 0.3}

All times are ticks of the scenario. A process holds no state and no random numbers: its methods
take a NumPy generator, which should be a named stream of `hocket.core.streams`.
"""

from hocket.core.disturb.arrivals import (
    Arrivals,
    Deterministic,
    GammaArrivals,
    Poisson,
    TraceArrivals,
)
from hocket.core.disturb.breakdowns import Breakdowns
from hocket.core.disturb.calendars import Calendar
from hocket.core.disturb.noise import Empirical, GammaNoise, LogNormal, Noise, Normal, Uniform

__all__ = [
    "Arrivals",
    "Breakdowns",
    "Calendar",
    "Deterministic",
    "Empirical",
    "GammaArrivals",
    "GammaNoise",
    "LogNormal",
    "Noise",
    "Normal",
    "Poisson",
    "TraceArrivals",
    "Uniform",
]
