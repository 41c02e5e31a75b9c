"""What every room shares: errors, events, the trainable contract, metrics, files that appear whole."""
