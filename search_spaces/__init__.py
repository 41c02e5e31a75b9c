"""Data only: what varies."""
