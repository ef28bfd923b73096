"""What a running release does: which models it lists, what it answers, and which pods did the work."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from hack.base.wait import pause, wait_for
from hack.chart.manifests import RANK
from hack.cluster.kube import Kube

SYSTEM_PORT = 9090
HTTP_PORT = 8000
# A prefill router works a little after its model is listed: findings/dynamo-ready-before-its-prefill-router.sh.
ROUTER_SECONDS = 1


@dataclass(frozen=True)
class Answer:
    """One chat completion."""

    text: str
    chunks: int
    finish_reason: str
    usage: dict[str, Any]
    first_token_seconds: float
    seconds: float


class RequestFailedError(AssertionError):
    """The frontend answered with an HTTP error, or its stream ended early."""

    def __init__(self, status: int, body: str) -> None:
        self.status = status
        super().__init__(f"HTTP {status}: {body[:500]}")


@dataclass(frozen=True)
class Endpoint:
    """The OpenAI-compatible API of one release."""

    kube: Kube
    namespace: str
    release: str
    port: int = 8000

    def models(self) -> list[str]:
        """The models it lists; a model is there once workers of every role are."""
        return [str(model["id"]) for model in self._get("v1/models")["data"]]

    def wait_for_model(self, model: str, timeout: float = 120) -> None:
        """Wait until every frontend lists the model and answers; each sees the workers come in its own time."""
        wait_for(
            f"{self.release}: {model} in /v1/models of every frontend",
            self._listed,
            lambda seen: bool(seen) and all(model in models for models in seen.values()),
            timeout,
        )
        pause(ROUTER_SECONDS)

    def chat(self, model: str, prompt: str = "Hello!", *, max_tokens: int = 16, stream: bool = False) -> Answer:
        """One chat completion. Raises RequestFailedError."""
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
            "ignore_eos": True,
            "stream": stream,
        }
        if stream:
            body["stream_options"] = {"include_usage": True}
        started = time.monotonic()
        response = self._request("v1/chat/completions", json=body, stream=stream)
        if response.status_code != 200:
            raise RequestFailedError(response.status_code, response.text)
        if stream:
            try:
                return _streamed(_events(response.iter_lines()), started)
            except requests.RequestException as error:
                raise RequestFailedError(response.status_code, f"the stream ended early: {error}") from error
        whole = response.json()
        choice = whole["choices"][0]
        seconds = time.monotonic() - started
        text = choice["message"].get("content") or ""
        return Answer(text, 1, choice["finish_reason"], whole["usage"], seconds, seconds)

    def served(self) -> dict[str, dict[str, int]]:
        """Requests that each worker pod has served: {component: {pod: count}}."""
        found: dict[str, dict[str, int]] = {}
        for component in ("prefill", "decode"):
            for pod in self.kube.pods(self.namespace, instance=self.release, component=component):
                if pod.metadata.labels.get(RANK) != "worker":
                    name = pod.metadata.name
                    metrics = self.kube.pod(self.namespace, name, SYSTEM_PORT, "metrics", timeout=30)
                    metrics.raise_for_status()
                    found.setdefault(component, {})[name] = request_count(metrics.text)
        return found

    def _listed(self) -> dict[str, list[str]]:
        """The models that each frontend pod lists."""
        found = {}
        for pod in self.kube.pods(self.namespace, instance=self.release, component="frontend"):
            if not pod.metadata.deletion_timestamp:
                answer = self.kube.pod(self.namespace, pod.metadata.name, HTTP_PORT, "v1/models", timeout=30)
                answer.raise_for_status()
                found[pod.metadata.name] = [str(model["id"]) for model in answer.json()["data"]]
        return found

    def _get(self, path: str) -> Any:
        response = self._request(path, timeout=30)
        response.raise_for_status()
        return response.json()

    def _request(self, path: str, **arguments: Any) -> Any:
        return self.kube.service(self.namespace, f"{self.release}-frontend", self.port, path, **arguments)


def request_count(metrics: str) -> int:
    """dynamo_component_requests_total of the endpoint "generate" in Prometheus text."""
    counters = (line for line in metrics.splitlines() if line.startswith("dynamo_component_requests_total{"))
    return round(sum(float(line.rsplit(" ", 1)[1]) for line in counters if 'dynamo_endpoint="generate"' in line))


def difference(before: dict[str, dict[str, int]], after: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """What each pod served between two calls of Endpoint.served."""
    return {
        component: {pod: count - before.get(component, {}).get(pod, 0) for pod, count in pods.items()}
        for component, pods in after.items()
    }


def _events(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """The data of server-sent events."""
    for line in lines:
        data = line.decode().removeprefix("data: ")
        if line.startswith(b"data: ") and data != "[DONE]":
            yield json.loads(data)


def _streamed(events: Iterator[dict[str, Any]], started: float) -> Answer:
    text, chunks, reason, first = "", 0, "", 0.0
    usage: dict[str, Any] = {}
    for event in events:
        usage = event.get("usage") or usage
        for choice in event.get("choices") or []:
            content = choice["delta"].get("content") or ""
            if content and not chunks:
                first = time.monotonic() - started
            chunks += bool(content)
            text += content
            reason = choice.get("finish_reason") or reason
    return Answer(text, chunks, reason, usage, first, time.monotonic() - started)
