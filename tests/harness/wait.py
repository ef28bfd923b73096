"""Waiting for a state, with the last one seen in the error."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class NotReachedError(TimeoutError):
    """A state was not reached in time."""


def wait_for(
    what: str, observe: Callable[[], T], reached: Callable[[T], bool], timeout: float, interval: float = 0.5
) -> T:
    """Observe until a predicate holds, at most `timeout` seconds; returns the observation that fulfils it.

    An exception of `observe` counts as an observation, because what is waited for may not answer yet.
    """
    deadline = time.monotonic() + timeout
    while True:
        last: object
        try:
            state = observe()
            if reached(state):
                return state
            last = state
        except Exception as error:
            last = f"{type(error).__name__}: {error}"
        if time.monotonic() >= deadline:
            raise NotReachedError(f"{what}: not reached in {timeout:.0f} s; last observed: {last}")
        time.sleep(min(interval, max(0.0, deadline - time.monotonic())))
