"""Constraint programming shared by the domains; importing this package loads no solver."""
