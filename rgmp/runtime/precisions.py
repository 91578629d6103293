"""The precisions that a network computes in, apart from `precision` because they need no torch."""

from typing import Literal

Precision = Literal["fp32", "tf32", "bf16"]
AskedPrecision = Literal[Precision, "auto"]
"""A precision, or the one that the device is fast in."""
