"""Neural list scheduling: a small network scores pairs of a ready task and a free processor."""
