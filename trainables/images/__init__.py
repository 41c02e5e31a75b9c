"""From an image file to an augmented array."""
