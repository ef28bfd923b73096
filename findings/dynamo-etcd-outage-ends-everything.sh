#!/usr/bin/env bash
# Dynamo: without etcd everything serves for some 30 s, then workers and frontend exit with 0.
#
# Date:     2026-11-29
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend and mocker; etcd 3.6.14 (Go module)
# Guess:    the frontend routes from its cache for as long as etcd is away, and registrations come back with etcd.
# Seen:     requests are answered for longer than the lease of 10 s. Then the worker gives its lease up and exits 0,
#           the frontend answers 503 and a few seconds later exits 0 too. In a cluster all pods restart and load the
#           model.
# Output:   first 503 after 29.3 s, worker exit 0 after 29.9 s, frontend exit 0 after 34.2 s
set -euo pipefail

work=$(mktemp -d)
trap 'kill -9 -- "-${job:-}" 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Only what the frontend and the mocker import.
venv/bin/pip install --quiet --no-compile --no-deps ai-dynamo==1.6.1 ai-dynamo-runtime==1.6.1 \
  annotated-types==0.8.0 msgspec==0.22.0 packaging==26.3 pydantic==2.13.5 pydantic-core==2.46.5 pyyaml==6.0.3 \
  typing-extensions==4.16.0 typing-inspection==0.4.5 uvloop==0.23.0
(cd "$work" && mkdir module && cd module && go mod init outage && go get go.etcd.io/etcd/server/v3@v3.6.14 &&
  go build -o "$work/etcd" go.etcd.io/etcd/server/v3) 2> go.log || { cat go.log; exit 1; }
export HOME=$work DYN_DISCOVERY_BACKEND=file DYN_FILE_KV=$work/discovery
export DYN_TCP_RPC_HOST=127.0.0.1 DYN_EVENT_PLANE_HOST=127.0.0.1

set -m # a process group of its own, which the trap ends
venv/bin/python - << 'END' &
import json, os, pathlib, random, subprocess, sys, time, urllib.error, urllib.request

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

def until(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "too late: " + pathlib.Path("log").read_text()[-3000:]
        time.sleep(0.2)

client, peer = (f"http://127.0.0.1:{port}" for port in random.sample(range(20000, 32000), 2))
with open("etcd.log", "w") as log:
    etcd = subprocess.Popen(["./etcd", "--data-dir", "data", "--listen-client-urls", client,
        "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
        "--initial-cluster", f"default={peer}"], stdout=log, stderr=log)
discovery = {"DYN_DISCOVERY_BACKEND": "etcd", "ETCD_ENDPOINTS": client}
until(lambda: fetch(client + "/health")[0] == 200)
process, url = frontend(**discovery)
worker = mocker("agg", **discovery)
until(lambda: ask(url)[0] == 200)

etcd.kill()
etcd.wait()
lost, seen = time.monotonic(), {}
while "frontend" not in seen or "worker" not in seen:
    past = time.monotonic() - lost
    assert past < 150, seen
    if ask(url)[0] != 200:
        seen.setdefault("refused", past)
    for name, program in (("worker", worker), ("frontend", process)):
        if program.poll() is not None:
            seen.setdefault(name, past)
    time.sleep(0.3)
print(f"first refusal after {seen['refused']:.1f} s, worker exit {worker.returncode} after {seen['worker']:.1f} s, "
    f"frontend exit {process.returncode} after {seen['frontend']:.1f} s")

assert seen["refused"] > 10, "served from the cache for longer than the lease"
assert worker.returncode == process.returncode == 0
END
job=$!
wait $job
