"""How much a cluster can take: the cheapest fleet for a log, the highest rate of a fleet.

Everything here is found by simulation, under the assumption that more replicas, and less load,
never make an SLO be missed that was met. It is looked at around what is found.
"""
