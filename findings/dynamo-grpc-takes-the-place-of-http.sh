#!/usr/bin/env bash
# Dynamo: a frontend with --kserve-grpc-server has no HTTP API: gRPC takes its port, and HTTP on another serves no model.
#
# Date:     2026-12-01
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend and mocker, file discovery
# Guess:    "Start KServe gRPC server" adds a port beside the HTTP API, whose requests and health checks go on.
# Seen:     gRPC listens at --http-port, where HTTP clients, and so Kubernetes' httpGet probes, get something that is no
#           answer. At --grpc-metrics-port (8788) there is an HTTP server that is live, never ready (503) and answers chats
#           with 404, with the same model in its list. --http-host is not taken: gRPC listens at 0.0.0.0.
# Output:   http: /live 200 /v1/models/m/ready 200 /v1/chat/completions 200 /metrics 200
#           grpc: /live 000 /v1/models/m/ready 000 /v1/chat/completions 000 /metrics 000
#           8788: /live 200 /v1/models/m/ready 503 /v1/chat/completions 404 /metrics 200
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

CHAT = {"model": "m", "max_tokens": 4, "messages": [{"role": "user", "content": "w1 w2"}]}

def status(port, path):
    """HTTP's status; 0 for something that is no answer."""
    data = json.dumps(CHAT).encode() if path.endswith("completions") else None
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except Exception:
        return 0

def listening(process):
    """The addresses at which a process listens, as /proc/net/tcp has them."""
    sockets = {os.readlink(f"/proc/{process.pid}/fd/{n}") for n in os.listdir(f"/proc/{process.pid}/fd")}
    lines = [line.split() for line in open("/proc/net/tcp")][1:]
    return {line[1] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets}

def frontend(port, *flags):
    host = ["--http-host", "127.0.0.1", "--http-port", str(port)]
    log = open("log", "w")
    process = subprocess.Popen([sys.executable, "-m", "dynamo.frontend", *host, *flags], stdout=log, stderr=log)
    end = time.monotonic() + 60
    while f"{port:04X}" not in str(listening(process)):
        assert time.monotonic() < end and process.poll() is None, open("log").read()[-3000:]
        time.sleep(0.2)
    while "Committed discovered model" not in open("log").read():
        assert time.monotonic() < end, open("log").read()[-3000:]
        time.sleep(0.2)
    time.sleep(1)
    return process

with open("mocker", "w") as log:
    model = ["--model-path", "model", "--model-name", "m"]
    mocker = subprocess.Popen([sys.executable, "-m", "dynamo.mocker", *model], stdout=log, stderr=log)
PATHS = ("/live", "/v1/models/m/ready", "/v1/chat/completions", "/metrics")
seen = {}
for name, flags in {"http": (), "grpc": ("--kserve-grpc-server",)}.items():
    port = random.randrange(20000, 32000)
    process = frontend(port, *flags)
    seen[name] = [status(port, path) for path in PATHS]
    if flags:
        seen["8788"] = [status(8788, path) for path in PATHS]
        hosts = {address.partition(":")[0] for address in listening(process)}
    process.kill()
for name, found in seen.items():
    print(f"{name}:", *(f"{path} {code:03}" for path, code in zip(PATHS, found)))

assert seen == {"http": [200] * 4, "grpc": [0] * 4, "8788": [200, 503, 404, 200]} and "00000000" in hosts
END
job=$!
wait $job
