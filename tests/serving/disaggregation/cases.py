"""Short ways to write costs and instances."""

from hocket.serving.cost.distserve import DistServe


def costs(prefill, small, large, threshold=95):
    return DistServe(prefill=prefill, small=small, large=large, threshold=threshold)
