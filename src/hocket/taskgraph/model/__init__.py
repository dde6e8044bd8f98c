"""What a task-graph scenario is made of: processors, what joins them, job types, arrivals."""
