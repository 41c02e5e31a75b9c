"""Models of one target for each class of another."""
