"""Learning to schedule: questions, environments, rollouts, networks and trainers.

A learned policy is three things: a feature function that turns a decision into a *question* (a
small graph and the rows of it that may be chosen), a network that scores those rows, and the choice
of a trainer. Everything else is here, and the same for every domain.
"""
