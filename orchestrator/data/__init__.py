"""The table of rows and what belongs to it: importers, targets, folds, label fixes, image roots."""
