"""How fast the KV cache moves, from the transfers of a few answers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass


@dataclass(frozen=True)
class Transfer:
    """What one answer moved between two pods, as one GPU sees it: bytes and seconds."""

    pair: tuple[str, ...]
    bytes: float
    seconds: float

    @property
    def speed(self) -> float:
        """GB/s."""
        return self.bytes / self.seconds / 1e9


def slowest(transfers: list[Transfer]) -> float:
    """GB/s of the slowest pair of pods, each by its best transfer.

    The first transfer between two pods sets up the connection, so it counts only where no pair has a second one.
    """
    pairs: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for transfer in transfers:
        pairs[transfer.pair].append(transfer.speed)
    warm = [max(speeds[1:]) for speeds in pairs.values() if len(speeds) > 1]
    return min(warm) if warm else max(transfer.speed for transfer in transfers)
