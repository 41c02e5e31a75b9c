"""Sets with the file names, columns and label counts of public competitions, with drawn pictures."""
