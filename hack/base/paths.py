"""Where the project keeps its tools and caches."""

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS_BIN = ROOT / ".tools" / "bin"
KEEP_SECONDS = 24 * 3600


def cache_dir() -> Path:
    """The project's folder below the user's cache folder (created on demand)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    path = Path(base) / "dynamo-disagg"
    path.mkdir(parents=True, exist_ok=True)
    return path


def prune(folder: Path, pattern: str) -> None:
    """Remove a cache's archives of earlier contents, but none that another command or checkout may be loading."""
    for old in folder.glob(pattern):
        # Whoever prunes at the same time may be faster.
        with suppress(FileNotFoundError):
            if time.time() - old.stat().st_mtime > KEEP_SECONDS:
                old.unlink()


def content_key(*parts: Path | str) -> str:
    """A hex digest over strings and the contents of files and folders: equal inputs, equal key."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode() + b"\0")
            continue
        files = [part] if part.is_file() else sorted(p for p in part.rglob("*") if p.is_file())
        for file in files:
            if "__pycache__" in file.parts:
                continue
            name = file.name if part.is_file() else str(file.relative_to(part))
            digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
