"""The frontends: whether they serve the model, and what they count."""

from __future__ import annotations

import json
import re
import socket
import time
import urllib.request
from collections import Counter

from .plan import FailedError, Plan

REQUESTS = re.compile(r"^dynamo_frontend_requests_total\{(.*)\} (\S+)$", re.MULTILINE)
# A proxy for the hub (HTTP_PROXY) is none for the pods.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
LABEL = re.compile(r'(\w+)="([^"]*)"')


def wait_for_model(plan: Plan) -> None:
    """Until the model is listed. Raises FailedError."""
    deadline = time.monotonic() + plan.wait_seconds
    while True:
        try:
            listed = [str(model["id"]) for model in json.loads(_get(f"{plan.url}/v1/models"))["data"]]
            if plan.model in listed:
                return
            seen = f"it lists {', '.join(listed) or 'no model'}: are workers of each role ready?"
        except (OSError, ValueError, KeyError) as error:
            seen = f"{error}: is it the URL of a running frontend?"
        if time.monotonic() >= deadline:
            raise FailedError(f"{plan.url} does not serve {plan.model} after {plan.wait_seconds} s: {seen}")
        time.sleep(2)


def counted(plan: Plan) -> Counter[str]:
    """Streamed requests of the model so far by their status, over all frontends. Raises FailedError."""
    total: Counter[str] = Counter()
    for url in _frontends(plan):
        try:
            text = _get(f"{url}/metrics")
        except OSError as error:
            raise FailedError(f"{url}/metrics does not answer ({error}), so nothing checks AIPerf's figures") from error
        for labels, number in REQUESTS.findall(text):
            of = dict(LABEL.findall(labels))
            if of.get("model") == plan.model:
                total[of.get("error_type") or of["status"]] += round(float(number))
    return total


def _frontends(plan: Plan) -> list[str]:
    if not plan.frontends:
        return [plan.url]
    host, _, port = plan.frontends.rpartition(":")
    try:
        found = sorted({str(info[4][0]) for info in socket.getaddrinfo(host, int(port))})
    except OSError as error:
        raise FailedError(f"Service {host} has no ready frontend ({error}): see the frontend's pods") from error
    return [f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}" for address in found]


def _get(url: str) -> str:
    with OPENER.open(url, timeout=10) as response:
        text: str = response.read().decode()
        return text
