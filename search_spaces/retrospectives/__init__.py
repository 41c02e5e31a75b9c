"""Five teams' recipes for the mask competition, each as a space: their choices, and what they left open.

They report the leaderboard of that competition; its images, 384 x 512 pixels, are not ours.
"""
