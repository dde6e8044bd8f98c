"""Total tardiness on one machine, at array level: rules, local search, exact methods.

Jobs are arrays of processing times `p` (integers >= 0), due dates `d` (any integers) and, where it
matters, weights `w`; all jobs are available at time 0. A sequence is a permutation of job indices.
"""
