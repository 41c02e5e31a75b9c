"""What an ensemble's folder says of itself: ensemble.json read and written, and which folder a user means."""
