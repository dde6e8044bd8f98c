"""End-to-end learning on a constraint model of the job shop: environment, network, training.

P. Tassel, M. Gebser, K. Schekotihin, "An End-to-End Reinforcement Learning Approach for Job-Shop
Scheduling Problems Based on Constraint Programming", ICAPS 33 (2023) 614-622. What the paper leaves
open is taken from the authors' released code (repositories ingambe/JobShopCPEnv and
ingambe/End2End-Job-Shop-Scheduling-CP, MIT licence).
"""
