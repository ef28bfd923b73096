"""What downloads a model and what waits for it, as processes, against a hub on a loopback port."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hack.base.paths import ROOT
from hack.base.wait import wait_for
from tests.hub import COMMITS, FIRST, REPOSITORY, SECOND, Hub

IDENTITY = {"repository": REPOSITORY, "revision": "main", "allowPatterns": [], "ignorePatterns": []}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@dataclass
class Claim:
    """A claim with one model's folder, and the processes that use it."""

    root: Path
    hub: Hub

    @property
    def folder(self) -> Path:
        return self.root / "claim" / "model"

    @property
    def files(self) -> dict[str, bytes]:
        """The model's files; the library's bookkeeping and the marker begin with a dot."""
        found = [p for p in self.folder.rglob("*") if p.is_file()]
        names = {str(p.relative_to(self.folder)): p for p in found}
        return {name: p.read_bytes() for name, p in names.items() if not name.startswith(".")}

    @property
    def marker(self) -> dict[str, Any] | None:
        file = self.folder / ".complete"
        return json.loads(file.read_text()) if file.exists() else None

    def download(self, token: str = "", **identity: Any) -> subprocess.CompletedProcess[str]:
        environment = {
            **environment_of(self.root),
            "HF_ENDPOINT": self.hub.url,
            "HF_HUB_DISABLE_XET": "1",
            "MODEL_FOLDER": str(self.folder),
            "MODEL_IDENTITY": json.dumps(IDENTITY | identity),
            **({"HF_TOKEN": token} if token else {}),
        }
        command = [sys.executable, str(ROOT / "files" / "model_download.py")]
        return subprocess.run(command, env=environment, text=True, capture_output=True, check=False, timeout=60)

    def waiter(self, **expected: str) -> subprocess.Popen[str]:
        environment = {
            **environment_of(self.root),
            "MODEL_MARKER": str(self.folder / ".complete"),
            "MODEL_EXPECTED": json.dumps(expected),
            "MODEL_HINT": "see the log of the Job",
        }
        command = [sys.executable, str(ROOT / "files" / "model_wait.py")]
        return subprocess.Popen(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=obey_modes
        )


def obey_modes() -> None:
    """Permissions hold for root too, as in a pod: without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def environment_of(root: Path) -> dict[str, str]:
    """No proxy, no token and no cache of whoever runs the tests."""
    return {"PATH": os.environ["PATH"], "HOME": str(root), "HF_HOME": str(root / "hf"), "NO_PROXY": "*"}


@pytest.fixture
def claim(tmp_path: Path, hub: Hub) -> Claim:
    return Claim(tmp_path, hub)


def test_a_download_is_whole_and_says_what_it_is(claim: Claim) -> None:
    done = claim.download()
    assert done.returncode == 0, done.stderr
    assert claim.files == COMMITS[SECOND]
    assert claim.marker == {**IDENTITY, "commit": SECOND}
    assert f"downloading 3 files, 0.0 GiB, of commit {SECOND}" in done.stdout
    # Workers of some machine types are another user, without the right to ignore permissions.
    assert all(p.stat().st_mode & 0o044 == 0o044 for p in claim.folder.rglob("*") if ".cache" not in str(p))
    claim.hub.sent.clear()
    claim.hub.token = "changed"
    again = claim.download()
    assert (again.returncode, claim.hub.sent) == (0, []), again.stderr
    assert "already complete" in again.stdout


def test_a_revision_and_patterns(claim: Claim) -> None:
    done = claim.download(revision="v1.0", allowPatterns=["*.json", "*.pth"], ignorePatterns=["original/*"])
    assert done.returncode == 0, done.stderr
    assert claim.files == {"config.json": b'{"version": 1}'}
    assert claim.hub.sent == ["config.json"]


def test_an_interrupted_download_goes_on_with_the_same_commit_while_others_wait(claim: Claim) -> None:
    waiter = claim.waiter(repository=REPOSITORY, revision="main")
    claim.hub.breaks = 100
    claim.hub.revisions["main"] = FIRST
    first = claim.download()
    assert first.returncode == 1, first.stdout
    assert claim.marker is None
    assert waiter.poll() is None, "half a model is no model"
    claim.hub.breaks = 0
    claim.hub.revisions["main"] = SECOND
    second = claim.download()
    assert second.returncode == 0, second.stderr
    assert claim.files == COMMITS[FIRST]
    assert claim.marker == {**IDENTITY, "commit": FIRST}
    stdout, stderr = waiter.communicate(timeout=10)
    assert waiter.returncode == 0, stderr
    assert "the model is not complete without it. see the log of the Job" in stdout
    assert FIRST in stdout


def test_a_hub_that_is_gone_leaves_no_marker(claim: Claim) -> None:
    """With half a model in the folder the library takes what is there."""
    claim.hub.breaks = 100
    assert claim.download().returncode == 1
    claim.hub.shutdown()
    claim.hub.server_close()
    done = claim.download()
    assert done.returncode == 1, done.stdout
    assert "FAIL: " in done.stderr
    assert claim.marker is None


def test_a_file_that_is_shorter_than_listed_leaves_no_marker(claim: Claim) -> None:
    """What a proxy or a full cache in between serves: a whole answer, for the library."""
    claim.hub.short = True
    done = claim.download()
    assert done.returncode == 1, done.stdout
    assert "FAIL: missing or cut off: ['model.safetensors']" in done.stderr
    assert claim.marker is None
    claim.hub.short = False
    again = claim.download()
    assert again.returncode == 0, again.stderr
    assert claim.files == COMMITS[SECOND]


@pytest.mark.parametrize(
    ("identity", "token", "says"),
    [
        ({"repository": "org/other"}, "", "there is no org/other, or the token may not read it"),
        ({"revision": "v9"}, "", "org/model has no revision v9"),
        ({"allowPatterns": ["*.gguf"]}, "", "no file of org/model fits"),
        ({}, "secret", "org/model is gated: accept its license on the hub and set tokenSecret"),
    ],
    ids=["repository", "revision", "patterns", "gated"],
)
def test_what_no_attempt_can_help(claim: Claim, identity: dict[str, Any], token: str, says: str) -> None:
    claim.hub.token = token
    done = claim.download(**identity)
    assert done.returncode == 3, done.stderr
    assert f"FAIL: {says}" in done.stderr
    assert claim.marker is None


def test_a_token_opens_a_gated_repository(claim: Claim) -> None:
    claim.hub.token = "secret"
    done = claim.download(token="secret")
    assert done.returncode == 0, done.stderr
    assert "secret" not in done.stdout + done.stderr + json.dumps(claim.marker)


def test_a_claim_that_is_too_small(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMITS[SECOND], "huge", Endless())
    done = claim.download()
    assert done.returncode == 3, done.stderr
    assert "GiB are missing and the claim has" in done.stderr
    assert claim.files == {}


class Endless(bytes):
    """A file larger than any disk."""

    def __len__(self) -> int:
        return 2**60


@pytest.mark.parametrize("text", ["", "done\n"])
def test_any_marker_will_do_where_nothing_is_expected(claim: Claim, text: str) -> None:
    claim.folder.mkdir(parents=True)
    (claim.folder / ".complete").write_text(text)
    waiter = claim.waiter()
    waiter.communicate(timeout=10)
    assert waiter.returncode == 0


def test_another_model_in_the_folder_is_an_error(claim: Claim) -> None:
    claim.folder.mkdir(parents=True)
    (claim.folder / ".complete").write_text(json.dumps(IDENTITY))
    waiter = claim.waiter(repository="org/other", revision="main")
    _, stderr = waiter.communicate(timeout=10)
    assert waiter.returncode == 1
    assert "another model is in this folder" in stderr


def test_a_marker_of_somebody_else_is_an_error(claim: Claim) -> None:
    claim.folder.mkdir(parents=True)
    (claim.folder / ".complete").write_text("done")
    waiter = claim.waiter(repository="org/other", revision="main")
    _, stderr = waiter.communicate(timeout=10)
    assert waiter.returncode == 1
    assert "is not from a download Job, it says 'done'" in stderr


@pytest.mark.parametrize(
    ("closed", "mode"), [("weights/model.safetensors", 0o200), ("weights", 0o600), ("weights", 0o300), (".complete", 0)]
)
def test_a_file_that_the_pod_may_not_read_is_an_error(claim: Claim, closed: str, mode: int) -> None:
    (claim.folder / "weights").mkdir(parents=True)
    (claim.folder / "weights" / "model.safetensors").touch()
    (claim.folder / ".complete").touch()
    path = claim.folder / closed
    path.chmod(mode)
    waiter = claim.waiter()
    _, stderr = waiter.communicate(timeout=10)
    path.chmod(0o700)
    assert waiter.returncode == 1
    user = os.getuid()
    assert stderr.startswith(
        f"{path}: mode {mode:04o} of user {user}, and user {user} cannot read it: run chmod -R a+rX"
    )


def test_bookkeeping_may_be_closed(claim: Claim) -> None:
    """The hub's library keeps files of its own user in the folder."""
    (claim.folder / ".cache").mkdir(parents=True, mode=0)
    (claim.folder / ".lock").touch(mode=0)
    (claim.folder / ".complete").touch()
    waiter = claim.waiter()
    _, stderr = waiter.communicate(timeout=10)
    (claim.folder / ".cache").chmod(0o700)
    assert waiter.returncode == 0, stderr


def test_waiting_can_be_stopped(claim: Claim) -> None:
    """Else a pod that is deleted would stay for its whole grace period."""
    waiter = claim.waiter()
    assert waiter.stdout
    line = wait_for("the first line", waiter.stdout.readline, bool, 10)
    assert line.startswith("waiting for")
    waiter.send_signal(signal.SIGTERM)
    assert waiter.wait(timeout=5) == 143
