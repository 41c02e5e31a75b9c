"""One layout of images per file."""
