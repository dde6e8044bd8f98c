"""Sharing cores among users: virtual time, estimates of work, partitions."""
