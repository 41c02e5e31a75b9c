"""Which rows an epoch sees, in which order, with which labels."""
