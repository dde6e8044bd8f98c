"""Cost models from measurements: operator profiles, or the log of requests that were served.

An engine's operators can be timed one by one (`from_profile`),
and NVIDIA has done so for some (`from_aiconfigurator`). Most people have only what their
front end wrote down: when each request came, how long it was, when its first and its last token
left (`from_log`). Iterations cannot be seen in such a log, but the simulator knows which iterations
there must have been if they cost this or that; so the coefficients of `Linear` are sought under
which it reproduces the log. The record of a live engine names its iterations; there the
coefficients are a regression (`steps.from_steps`).

How good a model is shows on requests that it has not seen: `Calibration.errors` tells for the mean
and quantiles of all times how far the prediction is off, with bootstrap intervals.
"""

from hocket.serving.calibrate.calibration import (
    Calibration,
    checked,
    from_aiconfigurator,
    from_log,
    from_profile,
)
from hocket.serving.calibrate.errors import Error, errors
from hocket.serving.calibrate.replay import Times, measured_times, replay

__all__ = [
    "Calibration",
    "Error",
    "Times",
    "checked",
    "errors",
    "from_aiconfigurator",
    "from_log",
    "from_profile",
    "measured_times",
    "replay",
]
