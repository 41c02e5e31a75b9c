"""Drawn faces: people and photos as records, and how they are painted."""
