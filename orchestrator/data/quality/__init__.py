"""What is wrong with a set of images, from what was measured of them: copies, leaks, oddities, shift."""
