"""Studies listed, shown, compared, removed and exported (command)."""
