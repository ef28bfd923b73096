"""A Hugging Face hub with one repository: the part of its HTTP API that downloads use. Standard library only.

As a program (`python3 hub.py PORT`) it serves the repository to a cluster; in a test it can also break off, refuse,
and tell what it was asked for.
"""

import hashlib
import json
import re
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REPOSITORY = "org/model"
FIRST, SECOND = "1" * 40, "2" * 40
# Files by commit.
COMMITS = {
    FIRST: {"config.json": b'{"version": 1}', "model.safetensors": b"1" * 300_000, "original/model.pth": b"p" * 9},
    SECOND: {"config.json": b'{"version": 2}', "model.safetensors": b"2" * 300_000, "tokenizer.json": b"{}"},
}


class Hub(ThreadingHTTPServer):
    """The server; its fields may be changed while it runs."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        super().__init__(address, _Handler)
        self.revisions = {"main": SECOND, "v1.0": FIRST}
        # Without this token the repository is gated.
        self.token = ""
        # How many more times a file breaks off in the middle.
        self.breaks = 0
        # Whether large files are shorter than the listing says.
        self.short = False
        # Names of the files that were sent, each as often as it was.
        self.sent: list[str] = []

    @property
    def url(self) -> str:
        """What HF_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """A client that was cut off is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self._answer(True)

    def do_HEAD(self) -> None:
        self._answer(False)

    def log_message(self, format: str, *args: Any) -> None:
        if self.server.server_address[0] != "127.0.0.1":
            super().log_message(format, *args)

    def _answer(self, with_body: bool) -> None:
        path = urllib.parse.unquote(self.path.partition("?")[0])
        match = re.fullmatch(
            rf"/api/models/{REPOSITORY}/(revision|tree)/([^/]+)|/{REPOSITORY}/(resolve)/([^/]+)/(.+)", path
        )
        if not match:
            return self._error(404, "RepoNotFound")
        kind, revision, name = match[1] or match[3], match[2] or match[4], match[5]
        if self.server.token and self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self._error(403, "GatedRepo")
        commit = self.server.revisions.get(revision, revision)
        files = COMMITS.get(commit)
        if files is None:
            return self._error(404, "RevisionNotFound")
        if kind == "resolve":
            return self._file(commit, name, files[name], with_body)
        if kind == "revision":
            siblings = [{"rfilename": n, "size": len(c), "blobId": oid(c)} for n, c in files.items()]
            return self._json({"id": REPOSITORY, "sha": commit, "siblings": siblings, "tags": [], "downloads": 0})
        return self._json([{"type": "file", "path": n, "size": len(c), "oid": oid(c)} for n, c in files.items()])

    def _file(self, commit: str, name: str, content: bytes, with_body: bool) -> None:
        if self.server.short and len(content) > 1000:
            content = content[:-1]
        start = int((re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) or [0, 0])[1])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{oid(content)}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if not with_body:
            return
        self.server.sent.append(name)
        if self.server.breaks and len(content) > 1000:
            self.server.breaks -= 1
            self.wfile.write(content[start : len(content) // 2])
            self.close_connection = True
            return
        self.wfile.write(content[start:])

    def _json(self, content: Any) -> None:
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _error(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def oid(content: bytes) -> str:
    """A file's identity in the repository."""
    return hashlib.sha1(content).hexdigest()


if __name__ == "__main__":
    Hub(("0.0.0.0", int(sys.argv[1]))).serve_forever()
