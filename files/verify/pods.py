"""The pods that serve: who they are, and what they count."""

from __future__ import annotations

import socket
import time
import urllib.request

from .metrics import Metrics
from .plan import FailedError, Plan

PORT = 9090
# Network plugins let a new pod through some seconds after it has started.
REACH_SECONDS = 15
# Role -> address -> its metrics.
Snapshot = dict[str, dict[str, Metrics]]


def snapshot(plan: Plan) -> Snapshot:
    """What every serving pod counts now. Raises FailedError."""
    return {role: {a: _metrics(plan, role, a) for a in _addresses(plan, role)} for role in plan.pools}


def _addresses(plan: Plan, role: str) -> list[str]:
    service = plan.pools[role]
    try:
        return sorted({str(info[4][0]) for info in socket.getaddrinfo(service, PORT)})
    except OSError as error:
        pods = f"kubectl -n {plan.namespace} get pods -l app.kubernetes.io/component={role}"
        raise FailedError(f"Service {service} has no ready pod ({error}): see {pods}") from error


def _metrics(plan: Plan, role: str, address: str) -> Metrics:
    host = f"[{address}]" if ":" in address else address
    deadline = time.monotonic() + min(REACH_SECONDS, plan.wait_seconds)
    while True:
        try:
            with urllib.request.urlopen(f"http://{host}:{PORT}/metrics", timeout=10) as response:
                return Metrics(response.read().decode())
        except OSError as error:
            if time.monotonic() >= deadline:
                said = f"the {role} pod {address} shows no metrics on port {PORT} ({error}): see its log"
                raise FailedError(said) from error
        time.sleep(1)
