"""The promises that can be broken, one class each."""


class ConformanceError(AssertionError):
    """Something does not keep what its contract promises; the message says what and where."""


class ConfigurationError(ConformanceError):
    """A policy is not its own configuration: it does not survive being written and read back."""


class MutationError(ConformanceError):
    """A policy changes its view or its scenario, or a simulator hands out what can be changed."""


class DecisionError(ConformanceError):
    """A policy fails, decides what the world forbids, or leaves work undone."""


class FeasibilityError(ConformanceError):
    """The checker finds fault with a timeline that the simulator made."""


class ConservationError(ConformanceError):
    """Work is lost, done twice, or comes from nowhere."""


class ClockError(ConformanceError):
    """Time runs backwards."""


class ReplayError(ConformanceError):
    """The same scenario, policy and seed give another timeline the next time, or elsewhere."""


class IsolationError(ConformanceError):
    """Two runs of one policy touch each other."""


class ContractError(ConformanceError):
    """A room of a domain is missing, or does not do what `hocket.core.domain` says it does."""


class LiveError(ConformanceError):
    """A real engine composes an iteration otherwise than the simulator."""
