#!/usr/bin/env bash
# Dynamo: --router-mode (DYN_ROUTER_MODE) at a worker overrides that of the frontend.
#
# Date:     2026-11-29
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend and mocker, file discovery
# Guess:    routers run in the frontend, so its --router-mode kv holds and the variable at a worker has no effect. It
#           gets there easily, from one block of variables for all pods.
# Seen:     the worker advertises its mode in its model card. Requests with the same prompt alternate between two
#           workers, and none is scored: kv_hit_rate has no observation.
# Output:   without the variable: requests [0, 6], hit rate observed 7 times
#           DYN_ROUTER_MODE=round-robin at the workers: requests [3, 3], observed 0 times
set -euo pipefail

work=$(mktemp -d)
trap 'kill -9 -- "-${job:-}" 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Only what the frontend and the mocker import.
venv/bin/pip install --quiet --no-compile --no-deps ai-dynamo==1.6.1 ai-dynamo-runtime==1.6.1 \
  annotated-types==0.8.0 msgspec==0.22.0 packaging==26.3 pydantic==2.13.5 pydantic-core==2.46.5 pyyaml==6.0.3 \
  typing-extensions==4.16.0 typing-inspection==0.4.5 uvloop==0.23.0
export HOME=$work DYN_DISCOVERY_BACKEND=file DYN_FILE_KV=$work/discovery
export DYN_TCP_RPC_HOST=127.0.0.1 DYN_EVENT_PLANE_HOST=127.0.0.1

set -m # a process group of its own, which the trap ends
venv/bin/python - << 'END' &
import json, os, pathlib, random, re, subprocess, sys, time, urllib.error, urllib.request

# All that the mocker needs of a model. Each of the words w0 to w32767 is one token.
tokenizer = {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "WhitespaceSplit"},
    "model": {"type": "WordLevel", "unk_token": "w0", "vocab": {f"w{i}": i for i in range(32768)}}}
template = {"chat_template": "{% for message in messages %}{{ message['content'] }}{% endfor %}"}
sizes = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 32768, "hidden_size": 64,
    "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "eos_token_id": 32767,
    "max_position_embeddings": 32768}
pathlib.Path("model").mkdir()
for name, content in {"tokenizer": tokenizer, "tokenizer_config": template, "config": sizes}.items():
    pathlib.Path(f"model/{name}.json").write_text(json.dumps(content))

def start(module, *args, **env):
    with open("log", "a") as log:
        return subprocess.Popen([sys.executable, "-m", module, *args], env=os.environ | env, stdout=log, stderr=log)

def frontend(*args, **env):
    port = str(random.randrange(20000, 32000))
    process = start("dynamo.frontend", "--http-host", "127.0.0.1", "--http-port", port, *args, **env)
    return process, f"http://127.0.0.1:{port}"

def mocker(role, *args, **env):
    model = ["--model-path", "model", "--model-name", "m"]
    return start("dynamo.mocker", *model, "--disaggregation-mode", role, *args, **env)

def fetch(url, body=None):
    """The status (0: no answer) and the text."""
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)

def ask(url, words=4, **body):
    prompt = " ".join(f"w{i}" for i in range(words))
    body = {"model": "m", "max_tokens": 4, "messages": [{"role": "user", "content": prompt}]} | body
    return fetch(url + "/v1/chat/completions", body)

def series(url, pattern):
    return [line for line in fetch(url + "/metrics")[1].splitlines() if line[0] != "#" and re.search(pattern, line)]

def until(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "too late: " + pathlib.Path("log").read_text()[-3000:]
        time.sleep(0.2)

seen = {}
for name, variables in {"without the variable": {}, "round-robin": {"DYN_ROUTER_MODE": "round-robin"}}.items():
    store = {"DYN_FILE_KV": os.environ["DYN_FILE_KV"] + name}
    _, url = frontend("--router-mode", "kv", **store)
    systems = [str(port) for port in random.sample(range(20000, 32000), 2)]
    for system in systems:
        mocker("agg", DYN_SYSTEM_PORT=system, **store, **variables)
    until(lambda: '"aggregated":{"workers":2' in fetch(url + "/v1/models/m/ready")[1])
    until(lambda: ask(url, words=1)[0] == 200)
    count = lambda address, pattern: sum(float(line.split()[-1]) for line in series(address, pattern))
    served = r'^dynamo_component_requests_total.*endpoint="generate"'
    addresses = [f"http://127.0.0.1:{system}" for system in systems]
    before = [count(address, served) for address in addresses]
    for _ in range(6):
        assert ask(url, words=640)[0] == 200
        time.sleep(0.5)  # until the events of the cache have arrived
    split = sorted(count(address, served) - old for address, old in zip(addresses, before, strict=True))
    scored = count(url, "^dynamo_component_router_kv_hit_rate_count")
    print(f"{name}: requests {split}, hit rate observed {scored:.0f} times")
    seen[name] = split, scored > 0

assert seen == {"without the variable": ([0, 6], True), "round-robin": ([3, 3], False)}
END
job=$!
wait $job
