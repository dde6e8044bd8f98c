"""Independent feasibility checkers: they read scenario and timeline, and nothing of a simulator."""
