"""As much of an API server as Helm's `lookup` needs: it has some objects, and knows a few kinds."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.harness.manifests import Object

KINDS = {"v1": ("PersistentVolumeClaim", "Secret", "ServiceAccount"), "apps/v1": ("StatefulSet",)}


@contextlib.contextmanager
def cluster_with(objects: Sequence[Object], namespace: str = "default") -> Iterator[str]:
    """Serve a namespace with these objects; gives the URL for --kube-apiserver."""
    handler = type("Cluster", (_Handler,), {"answers": _answers(objects, namespace)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _answers(objects: Sequence[Object], namespace: str) -> dict[str, Any]:
    """What is answered, by path."""
    version = {"groupVersion": "apps/v1", "version": "v1"}
    group = {"name": "apps", "versions": [version], "preferredVersion": version}
    answers: dict[str, Any] = {
        "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.4"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "groups": [group]},
    }
    for version_name, kinds in KINDS.items():
        root = f"/api/{version_name}" if version_name == "v1" else f"/apis/{version_name}"
        verbs = ["get", "list"]
        resources = [{"name": f"{k.lower()}s", "kind": k, "namespaced": True, "verbs": verbs} for k in kinds]
        answers[root] = {"kind": "APIResourceList", "groupVersion": version_name, "resources": resources}
        for kind in kinds:
            path = f"{root}/namespaces/{namespace}/{kind.lower()}s"
            items = [o for o in objects if (o["apiVersion"], o["kind"]) == (version_name, kind)]
            answers[path] = {"apiVersion": version_name, "kind": f"{kind}List", "metadata": {}, "items": items}
            answers |= {f"{path}/{item['metadata']['name']}": item for item in items}
    return answers


class _Handler(BaseHTTPRequestHandler):
    answers: dict[str, Any]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        body = json.dumps(self.answers.get(path, missing)).encode()
        self.send_response(200 if path in self.answers else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the test's output is not the place for a web server's log."""
