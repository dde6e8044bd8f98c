"""What scenarios of clusters are made of."""
