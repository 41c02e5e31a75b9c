"""A search on disk: journal, predictions, exports."""
