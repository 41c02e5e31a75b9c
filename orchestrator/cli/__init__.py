"""What commands share: argument types, exit codes, signals."""
