"""Heads on frozen features for the three tasks of the mask competition, and for all of them at once."""
