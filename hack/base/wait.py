"""Waiting for a state, with the last one seen in the error."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from hack.base.log import UserError
from hack.base.step import HEARTBEAT_SECONDS, Step

T = TypeVar("T")


class NotReachedError(UserError, TimeoutError):
    """A state was not reached in time."""


class UnrecoverableError(UserError):
    """Raised by an observation: waiting longer cannot help."""


def wait_for(
    what: str,
    observe: Callable[[], T],
    reached: Callable[[T], bool],
    timeout: float,
    interval: float = 0.5,
    *,
    show: Callable[[T], object] = lambda state: state,
    step: Step | None = None,
) -> T:
    """Observe until a predicate holds, at most `timeout` seconds; returns the observation that fulfils it.

    An exception of `observe` counts as an observation, because what is waited for may not answer yet; only an
    UnrecoverableError ends the waiting. `show` makes an observation short, `step` says the last one now and then.
    Raises NotReachedError.
    """
    deadline = time.monotonic() + timeout
    said = time.monotonic()
    while True:
        last: object
        try:
            state = observe()
            if reached(state):
                return state
            last = show(state)
        except UnrecoverableError:
            raise
        except Exception as error:
            last = f"{type(error).__name__}: {error}"
        now = time.monotonic()
        if now >= deadline:
            raise NotReachedError(f"{what}: not reached in {timeout:.0f} s; last observed: {last}")
        if step and now - said > HEARTBEAT_SECONDS:
            step.say(f"waiting for {what}; {last}")
            said = now
        time.sleep(min(interval, max(0.0, deadline - time.monotonic())))


@contextmanager
def meanwhile(act: Callable[[], object], interval: float) -> Iterator[None]:
    """Do something every so many seconds, in a thread, as long as the block runs. Raises what ended it early."""
    stop = threading.Event()

    def go_on() -> None:
        while not stop.wait(interval):
            act()

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(go_on)
        try:
            yield
        except BaseException as error:
            stop.set()
            # What was missed may be its doing.
            if also := done.exception():
                error.add_note(f"what ran meanwhile had ended: {also!r}")
            raise
        stop.set()
    done.result()


def pause(seconds: float) -> None:
    """Let time pass in which nothing is waited for, but something is measured."""
    time.sleep(seconds)
