"""The roles of a serving policy: what each is shown, and what it may answer."""
