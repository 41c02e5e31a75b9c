"""Faces drawn by the program, for a first try without data."""
