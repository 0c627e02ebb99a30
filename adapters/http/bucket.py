"""The limit on a sender's rate, in the long run and at once."""

from queue_monitor.ports import Clock


class Bucket:
    """A token bucket: it holds `size` at most and is filled with `rate` a second."""

    def __init__(self, rate: float, size: int, clock: Clock) -> None:
        self._rate = rate
        self._size = size
        self._clock = clock
        self._left = float(size)
        self._at = clock.monotonic()

    def take(self, number: int) -> float:
        """Take that many and return 0, or take nothing and return the seconds to wait first."""
        now = self._clock.monotonic()
        self._left = min(self._size, self._left + (now - self._at) * self._rate)
        self._at = now
        if number > self._left:
            return (number - self._left) / self._rate
        self._left -= max(0, number)
        return 0.0
