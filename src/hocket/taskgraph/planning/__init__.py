"""Planning a whole graph before it runs: timetables, ranks, and the list schedulers on them."""
