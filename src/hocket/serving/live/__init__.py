"""Real systems in which the policies run: each imported only when it is used."""
