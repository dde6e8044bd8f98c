"""Checkers of runs and plans, one file per problem. They share no code with the simulators."""
