"""Time by the clock of a device: how long its work takes, and how long it has none."""

import time
from collections.abc import Callable

import torch


class Moments:
    """Moments in the work of a device, noted without waiting for them.

    On a GPU a moment is when all the work is done that was given to its current stream before; on a
    CPU, whose work is done when a call returns, it is when it is noted.
    """

    def __init__(self, device: torch.device) -> None:
        """Begin with none."""
        self._device = device
        self._events: list[torch.Event] = []
        self._times: list[float] = []

    def note(self) -> None:
        """Note a moment."""
        if self._device.type == "cuda":
            event = torch.Event(self._device, enable_timing=True)
            event.record()
            self._events.append(event)
        else:
            self._times.append(time.perf_counter())

    def seconds(self) -> list[float]:
        """Seconds from each moment to the next; this waits for the last one."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            pairs = zip(self._events, self._events[1:], strict=False)
            return [float(one.elapsed_time(other)) / 1000 for one, other in pairs]
        pairs_of_times = zip(self._times, self._times[1:], strict=False)
        return [other - one for one, other in pairs_of_times]


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of `work`, which begins when the device has nothing else to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    moments = Moments(device)
    moments.note()
    work()
    moments.note()
    (seconds,) = moments.seconds()
    return seconds
