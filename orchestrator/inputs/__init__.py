"""From what the user named to rows, folds and a Dataset, on any machine."""
