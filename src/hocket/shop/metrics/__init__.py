"""Objectives and other figures as functions of the timeline, one file per problem."""
