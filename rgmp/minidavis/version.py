"""What the embedded benchmark is, for those who do not render it: its version and its frames."""

VERSION = 2
"""Increased whenever a seed renders different pixels: with the seed, it identifies the data of
every training run on them. A test compares the rendered pixels with those of this version.
"""


WIDTH, HEIGHT = 124, 72
"""The frame of a video, in pixels."""
