"""Fold-safe labels for unlabelled images. `python -m orchestrator.pseudo_labels` is its command."""
