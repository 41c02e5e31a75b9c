"""The rules: events in, decisions out. No Ray, no torch, no files."""
