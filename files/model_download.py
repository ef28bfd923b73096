"""Download one revision of a Hugging Face repository, check it, and leave a marker that says what it is.

Environment: MODEL_FOLDER; MODEL_IDENTITY (JSON: repository, revision, allowPatterns, ignorePatterns); HF_TOKEN,
HF_ENDPOINT and the like, as huggingface_hub reads them. Exit code 3: another attempt would not help.
An attempt goes on where the last one stopped, with the same commit, even when a branch has moved on.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.utils import (
    GatedRepoError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    filter_repo_objects,
)

FOLDER = Path(os.environ["MODEL_FOLDER"])
IDENTITY = json.loads(os.environ["MODEL_IDENTITY"])
MARKER, COMMIT = FOLDER / ".complete", FOLDER / ".commit"
GIB = 2**30


def give_up(reason: str) -> None:
    print(f"FAIL: {reason}", file=sys.stderr)
    sys.exit(3)


def present() -> int:
    """Bytes below the folder, unfinished files included, while others write and rename."""
    total = 0
    for parent, _, names in os.walk(FOLDER):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


def report(total: int) -> None:
    while True:
        time.sleep(30)
        print(f"{present() / GIB:.1f} of {total / GIB:.1f} GiB", flush=True)


def write(path: Path, text: str) -> None:
    """A whole file or none, also after a crash of the node."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def download() -> None:
    repository = IDENTITY["repository"]
    patterns = {f"{kind}_patterns": IDENTITY[f"{kind}Patterns"] or None for kind in ("allow", "ignore")}
    revision = COMMIT.read_text() if COMMIT.exists() else IDENTITY["revision"]
    print(f"asking the hub for {repository} at {revision}", flush=True)
    info = HfApi().model_info(repository, revision=revision, files_metadata=True)
    chosen = filter_repo_objects(info.siblings, key=lambda file: file.rfilename, **patterns)
    sizes = {file.rfilename: file.size or 0 for file in chosen}
    if not sizes:
        give_up(f"no file of {repository} fits {patterns}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    write(COMMIT, info.sha)
    total = sum(sizes.values())
    missing, free = total - present(), shutil.disk_usage(FOLDER).free
    if missing > free:
        give_up(f"{missing / GIB:.1f} GiB are missing and the claim has {free / GIB:.1f} GiB left: make it larger")
    print(f"downloading {len(sizes)} files, {total / GIB:.1f} GiB, of commit {info.sha}", flush=True)
    threading.Thread(target=report, args=[total], daemon=True).start()
    snapshot_download(repository, revision=info.sha, local_dir=FOLDER, **patterns)
    # The library returns what it has when the hub stops answering, and takes a damaged file for a whole one.
    wrong = [name for name, size in sizes.items() if not right(FOLDER / name, size)]
    for name in wrong:
        (FOLDER / name).unlink(missing_ok=True)
    if wrong:
        sys.exit(f"FAIL: missing or cut off: {wrong}")
    write(MARKER, json.dumps({**IDENTITY, "commit": info.sha}))
    print(f"complete: {repository} at commit {info.sha}", flush=True)


def right(file: Path, size: int) -> bool:
    return file.is_file() and (not size or file.stat().st_size == size)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    if MARKER.exists():
        print(f"already complete: {MARKER.read_text()}")
        return
    try:
        download()
    except GatedRepoError as error:
        give_up(f"{IDENTITY['repository']} is gated: accept its license on the hub and set tokenSecret ({error})")
    except RevisionNotFoundError as error:
        give_up(f"{IDENTITY['repository']} has no revision {IDENTITY['revision']} ({error})")
    except RepositoryNotFoundError as error:
        give_up(f"there is no {IDENTITY['repository']}, or the token may not read it ({error})")
    except Exception as error:
        sys.exit(f"FAIL: {type(error).__name__}: {error}")


main()
