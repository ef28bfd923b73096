"""
Probe of a worker that needs one of the other role: is it healthy, and is one there that can take or give its KV cache.

  pair.py <host:port of the worker> [<host:port of the other role's workers>]

Prefill and decode of one generation (DYN_NAMESPACE_WORKER_SUFFIX) work together and with no others. A worker that is
ready lets its rollout stop an old one; if it could not work yet, the old generation would end before the new one
begins. The second address leads to all workers of the other role, ready or not: healthy is enough, else both would wait
for each other. It is asked once: a pod does not end its readiness because the other role has none.
$NAME in an address is a variable of the container.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SECONDS = 3
# A proxy for the hub (HTTP_PROXY) is none for the pods.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def marker(environment: Mapping[str, str]) -> Path:
    """The pod's own: /tmp may be a volume on which those of pods before it are left."""
    return Path(f"/tmp/dynamo-disagg-paired-{environment.get('POD_UID') or socket.gethostname()}")


def fetch(address: str, path: str) -> tuple[int, str]:
    """The status, 0 for no answer, and the text."""
    try:
        with OPENER.open(f"http://{address}{path}", timeout=SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except (OSError, ValueError) as error:
        return 0, str(error)


def addresses(service: str) -> list[str]:
    """Where each of the pods of a headless Service is."""
    host, port = service.rsplit(":", 1)
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError:
        return []
    return [f"[{ip}]:{port}" if ":" in str(ip) else f"{ip}:{port}" for ip in sorted(map(str, found))]


def matches(address: str, generation: str) -> bool:
    """Whether a worker is healthy and of a generation. Dynamo writes "-" as "_" in its own metrics."""
    of_generation = re.search(rf'dynamo_namespace="[^"]*[-_]{generation}"', fetch(address, "/metrics")[1])
    return bool(of_generation) and fetch(address, "/health")[0] == 200


def problem(worker: str, others: str, generation: str, paired: Path) -> str:
    """Why the worker is not ready, or nothing."""
    status, text = fetch(worker, "/health")
    if status != 200:
        return f"{worker} is not healthy: {status or text}"
    if not others or paired.exists():
        return ""
    found = addresses(others)
    with ThreadPoolExecutor(max_workers=max(1, len(found))) as pool:
        if not any(pool.map(lambda address: matches(address, generation), found)):
            return f"none of {len(found)} pods of {others.split(':')[0]} is healthy and of generation {generation} yet"
    paired.touch()
    return ""


if __name__ == "__main__":
    worker, others = [*map(os.path.expandvars, sys.argv[1:]), ""][:2]
    sys.exit(problem(worker, others, os.environ.get("DYN_NAMESPACE_WORKER_SUFFIX", ""), marker(os.environ)) or None)
