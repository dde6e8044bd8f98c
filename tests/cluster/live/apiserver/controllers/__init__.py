"""The controllers of a cluster, as far as scheduling needs them, each a few lines long."""

from tests.cluster.live.apiserver.controllers.manager import Manager

__all__ = ["Manager"]
