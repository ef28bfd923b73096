"""Wait until the model is complete: until the marker is there and says what is expected.

After that every file must be open to this user. An engine would say so later, on GPUs, and not why.

Environment: MODEL_MARKER (a file), MODEL_EXPECTED (JSON: what it must say at least), MODEL_HINT (what to do or see).
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

MARKER, HINT = Path(os.environ["MODEL_MARKER"]), os.environ["MODEL_HINT"]
EXPECTED = json.loads(os.environ["MODEL_EXPECTED"])


def read_all(folder: Path) -> None:
    """Open every file but bookkeeping, as the engine will. Raises PermissionError at the first that is closed."""

    def refuse(error: OSError) -> None:
        raise error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(parent, name)
            if not name.startswith(".") and path.exists():
                path.open("rb").close()


def refusal(path: Path) -> str:
    """Who may read what, and what to write: of the path, or of the folder above it that is closed."""
    closed = next((p for p in reversed(path.parents) if not os.access(p, os.X_OK)), path)
    found = closed.stat()
    return (
        f"{closed}: mode {found.st_mode & 0o7777:04o} of user {found.st_uid}, and user {os.getuid()} cannot read it: "
        "run chmod -R a+rX on the model's folder, or set podSecurityContext.runAsUser"
    )


def main() -> None:
    # The first process of a container ignores SIGTERM unless it says otherwise.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = said = time.monotonic()
    print(f"waiting for {MARKER}: the model is not complete without it. {HINT}", flush=True)
    while not MARKER.exists():
        time.sleep(1)
        if time.monotonic() - said >= 60:
            said = time.monotonic()
            print(f"still waiting ({said - started:.0f} s) for {MARKER}. {HINT}", flush=True)
    text = MARKER.read_text()
    # Without an expectation somebody else wrote the marker, as they like.
    if EXPECTED:
        try:
            content = json.loads(text)
        except ValueError:
            sys.exit(f"{MARKER} is not from a download Job, it says {text[:200]!r}: empty its folder")
        wrong = {key: content.get(key) for key, value in EXPECTED.items() if content.get(key) != value}
        if wrong:
            sys.exit(f"{MARKER} says {wrong} where {EXPECTED} is expected: another model is in this folder; empty it")
    read_all(MARKER.parent)
    print(f"the model is complete: {text}", flush=True)


try:
    main()
except PermissionError as error:
    sys.exit(refusal(Path(error.filename)))
