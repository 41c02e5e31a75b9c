"""From a command's options to rows, folds and Dataset of a study, and its images on any machine."""
