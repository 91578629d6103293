"""How figures move: key frames, poses, tracks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


Keys = tuple[float, ...]
"""Key frames: values evenly spaced over a video."""


def along(keys: Keys, when: float) -> float:
    """The value at `when` of a smooth curve (Catmull-Rom) through key frames spread over [0, 1]."""
    if len(keys) == 1:
        return keys[0]
    place = when * (len(keys) - 1)
    i = min(max(int(place), 0), len(keys) - 2)
    s, p1, p2 = place - i, keys[i], keys[i + 1]
    p0 = keys[i - 1] if i else 2 * p1 - p2
    p3 = keys[i + 2] if i + 2 < len(keys) else 2 * p2 - p1
    bend, twist = 2 * p0 - 5 * p1 + 4 * p2 - p3, 3 * (p1 - p2) + p3 - p0
    return p1 + s / 2 * (p2 - p0 + s * (bend + s * twist))


@dataclass(frozen=True)
class Pose:
    """An actor's position and posture at an instant.

    Attributes:
        x: points right of the scene's centre; of its feet in a side view, else of its centre.
        y: points below the scene's centre; likewise.
        size: root of its area at rest, in points.
        angle: degrees clockwise.
        turn: 1 shows its full length, less is turned away, -1 faces the other way.
        stride: how many strides it has taken.
        change: 0 for its first skin, 1 for its later one.
    """

    x: float = 0
    y: float = 0
    size: float = 1
    angle: float = 0
    turn: float = 1
    stride: float = 0
    change: float = 0


@dataclass(frozen=True)
class Track:
    """Key frames of every channel of a `Pose`."""

    x: Keys = (0,)
    y: Keys = (0,)
    size: Keys = (1,)
    angle: Keys = (0,)
    turn: Keys = (1,)
    stride: Keys = (0,)
    change: Keys = (0,)

    def pose(self, when: float) -> Pose:
        """The pose at `when`, 0 at the first frame and 1 at the last."""
        channels = Pose.__dataclass_fields__
        return Pose(**{channel: along(getattr(self, channel), when) for channel in channels})
