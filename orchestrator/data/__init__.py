"""What a user brought: rows, targets, folds, label fixes, extra rows, where images lie."""
