"""The frontend: which models it lists, and its answers."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .plan import FailedError, Plan

ANSWER_SECONDS = 120


@dataclass(frozen=True)
class Answer:
    """One streamed answer, as far as it came."""

    text: str = ""
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token_seconds: float = 0
    # What an error event in the stream said.
    error: str = ""


def wait_for_model(plan: Plan) -> int:
    """Wait until the model is listed; returns its context length in tokens, 0 where that is not said."""
    deadline = time.monotonic() + plan.wait_seconds
    while True:
        try:
            listed = {str(model["id"]): model for model in _get(f"{plan.url}/v1/models")["data"]}
            if plan.model in listed:
                return int(listed[plan.model].get("context_window") or 0)
            seen = _missing(plan, sorted(listed))
        except (OSError, ValueError, KeyError) as error:
            seen = f"{error}: see the pods of {plan.release}-frontend"
        if time.monotonic() >= deadline:
            raise FailedError(f"{plan.url} does not list {plan.model} after {plan.wait_seconds} s: {seen}")
        time.sleep(2)


def _missing(plan: Plan, listed: list[str]) -> str:
    """Why a model is not listed, as far as the frontend knows."""
    if listed:
        return f"it lists {', '.join(listed)}: set global.model.name to what the workers serve, and restart them"
    try:
        ready = _get(f"{plan.url}/v1/models/{urllib.parse.quote(plan.model, safe='')}/ready")
    except urllib.error.HTTPError as error:
        ready = _json(error.read())
    reasons = [str(space.get("reason", "")) for space in (ready.get("namespaces") or {}).values()]
    said = "; ".join(filter(None, reasons)) or str(ready.get("reason") or "it lists no model")
    return f"{said}: see {_pods(plan)}"


def _pods(plan: Plan) -> str:
    return f"kubectl -n {plan.namespace} get pods -l app.kubernetes.io/instance={plan.release}"


def ask(plan: Plan, prompt: str) -> Answer:
    """One greedy answer, streamed. Raises FailedError when the frontend refuses or cannot be reached."""
    body = {
        "model": plan.model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": plan.answer_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
        # Models that can think would spend the answer on that.
        "chat_template_args": {"enable_thinking": False},
    }
    url = f"{plan.url}/v1/chat/completions"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    started = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:
            return read_stream(response, started)
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace").strip()[:300]
        raise FailedError(f"{url} answered HTTP {error.code}: {said}: {_advice(plan, error.code)}") from error
    except OSError as error:
        raise FailedError(
            f"{url} gave no answer in time ({error}): see the logs of the workers, {_pods(plan)}"
        ) from error


def _advice(plan: Plan, status: int) -> str:
    if status == 503:
        return f"a role has no ready pod, see {_pods(plan)}"
    if status == 529:
        return "it is overloaded, try again or add workers"
    return f"see the logs of the workers; if the prompt of {plan.prompt_tokens} tokens is too long, lower promptTokens"


def read_stream(lines: Iterable[bytes], started: float) -> Answer:
    """The answer in server-sent events; `started` is when it was asked for, by time.monotonic."""
    text, reason, error, first = "", "", "", 0.0
    usage: dict[str, Any] = {}
    for line in lines:
        if not line.startswith(b"data:") or line[5:].strip() == b"[DONE]":
            continue
        event = _json(line[5:])
        if "error" in event or "choices" not in event:
            error = json.dumps(event.get("error", event))[:300]
        usage = event.get("usage") or usage
        for choice in event.get("choices") or []:
            delta = choice.get("delta") or {}
            part = (delta.get("reasoning_content") or "") + (delta.get("content") or "")
            if part and not text:
                first = time.monotonic() - started
            text += part
            reason = choice.get("finish_reason") or reason
    return Answer(text, reason, usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0), first, error)


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


def _json(data: bytes) -> dict[str, Any]:
    """An object, or what stands in its place as an error."""
    try:
        found = json.loads(data)
    except ValueError:
        found = data.decode(errors="replace")
    return found if isinstance(found, dict) else {"error": found}
