"""helm test: one chat completion, answered by one pod of each worker pool.

Each pool's headless Service resolves to its pods; every pod counts its requests in
dynamo_component_requests_total. Environment: FRONTEND_URL, MODEL, POOLS (Service names).
"""

import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request

URL, MODEL, POOLS = os.environ["FRONTEND_URL"], os.environ["MODEL"], os.environ["POOLS"].split()
DEADLINE = time.monotonic() + 240


def fetch(url: str, body: dict | None = None, timeout: float = 120) -> str:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return response.read().decode()


def served(address: str) -> float:
    lines = fetch(f"http://{address}:9090/metrics", timeout=10).splitlines()
    counters = (x for x in lines if x.startswith("dynamo_component_requests_total{"))
    return sum(float(x.rsplit(" ", 1)[1]) for x in counters if 'dynamo_endpoint="generate"' in x)


def counts() -> dict[str, dict[str, float]]:
    found = {}
    for pool in POOLS:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(pool, 9090)}
        found[pool] = {address: served(f"[{address}]" if ":" in address else address) for address in sorted(addresses)}
    return found


def wait_for_model() -> None:
    seen = "nothing"
    while time.monotonic() < DEADLINE:
        try:
            seen = fetch(f"{URL}/v1/models", timeout=10)
            if MODEL in [model["id"] for model in json.loads(seen)["data"]]:
                return
        except (OSError, ValueError, KeyError) as error:
            seen = str(error)
        time.sleep(2)
    sys.exit(f"FAIL: {URL}/v1/models does not list {MODEL}; last seen: {seen}")


def main() -> None:
    wait_for_model()
    try:
        ask()
    except urllib.error.HTTPError as error:
        sys.exit(f"FAIL: {error.url} answered HTTP {error.code}: {error.read().decode(errors='replace')[:500]}")
    except OSError as error:
        sys.exit(f"FAIL: the frontend or a worker cannot be reached: {error}")


def ask() -> None:
    before = counts()
    question = {"model": MODEL, "max_tokens": 8, "messages": [{"role": "user", "content": "Hello!"}]}
    answer = json.loads(fetch(f"{URL}/v1/chat/completions", question))
    print("answer:", answer["choices"][0]["message"], "usage:", answer.get("usage"))
    if not (answer.get("usage") or {}).get("completion_tokens"):
        sys.exit("FAIL: the answer has no tokens")
    after = counts()
    pods = {}
    for pool in POOLS:
        pods[pool] = [a for a, count in after[pool].items() if count > before[pool].get(a, 0)]
        print(f"{pool}: {len(after[pool])} pod(s), served by {pods[pool] or 'none'}")
        if not pods[pool]:
            sys.exit(f"FAIL: no pod of {pool} counted the request: the pools do not work together")
    if len(POOLS) == 2 and set(pods[POOLS[0]]) & set(pods[POOLS[1]]):
        sys.exit("FAIL: prefill and decode ran in the same pod")
    print("OK:", " and ".join(POOLS), "answered one request" + " together" * (len(POOLS) > 1))


main()
