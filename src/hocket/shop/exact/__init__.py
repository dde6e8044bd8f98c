"""Exact solvers: a schedule with a proven bound, from constraint programming or a closed form."""
