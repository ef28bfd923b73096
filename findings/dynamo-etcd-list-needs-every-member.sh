#!/usr/bin/env bash
# Dynamo: of a list of etcd members every one must be there when a process starts; one address that leads to a live
# member is safer.
#
# Date:     2026-11-29
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend and mocker; etcd 3.6.14 (Go module)
# Guess:    with all three members in ETCD_ENDPOINTS the client takes another when one is away.
# Seen:     what already runs goes on. Workers that start while one of three is away do not, or not all of them (1 of 3
#           exited in another run): "Unable to register service for discovery", exit 0. With the address of a live member
#           all do.
# Output:   one of three members killed, all three named: 0 of 6 workers registered, 6 exited
#           a live one named: 6 of 6 workers registered
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

def until(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "too late: " + pathlib.Path("log").read_text()[-3000:]
        time.sleep(0.2)

ports = random.sample(range(20000, 32000), 6)
clients, peers = ([f"http://127.0.0.1:{port}" for port in half] for half in (ports[:3], ports[3:]))
cluster = ",".join(f"e{number}={peer}" for number, peer in enumerate(peers))
members = []
for number, (client, peer) in enumerate(zip(clients, peers, strict=True)):
    with open("etcd.log", "a") as log:
        members.append(subprocess.Popen(["./etcd", "--name", f"e{number}", "--data-dir", f"data{number}",
            "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster], stdout=log, stderr=log))
until(lambda: all(fetch(client + "/health")[0] == 200 for client in clients))
members[1].kill()
members[1].wait()
time.sleep(3)

discovery = {"DYN_DISCOVERY_BACKEND": "etcd", "ETCD_ENDPOINTS": clients[0]}
_, url = frontend(**discovery)
until(lambda: fetch(url + "/live")[0] == 200)
def registered():
    found = re.search(r'"aggregated":\{"workers":(\d+)', fetch(url + "/v1/models/m/ready")[1])
    return int(found[1]) if found else 0
def joined(endpoints):
    """How many of six workers register, and how many exit, with 0 each."""
    workers = [mocker("agg", **(discovery | {"ETCD_ENDPOINTS": endpoints})) for _ in range(6)]
    time.sleep(60)
    count, gone = registered(), [worker for worker in workers if worker.poll() is not None]
    assert all(worker.returncode == 0 for worker in gone)
    for worker in workers:
        worker.kill()
    until(lambda: registered() == 0)
    return count, len(gone)

all_named, one_named = joined(",".join(clients)), joined(clients[0])
print(f"one of three members killed, all three named: {all_named[0]} of 6 workers registered, {all_named[1]} exited")
print(f"a live one named: {one_named[0]} of 6 workers registered")

assert all_named[0] < 6 and all_named[1] > 0
assert one_named == (6, 0)
END
job=$!
wait $job
