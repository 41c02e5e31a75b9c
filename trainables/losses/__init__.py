"""What is minimised: losses, their weights, and how a head answers."""
