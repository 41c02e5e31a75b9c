"""Decides what runs and records it; knows no model."""
