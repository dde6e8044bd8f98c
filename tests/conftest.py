"""One Hypothesis profile for all: examples are repeatable, and no deadline on shared machines."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "hocket", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("hocket")
