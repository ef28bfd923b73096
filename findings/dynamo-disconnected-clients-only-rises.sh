#!/usr/bin/env bash
# Dynamo: the gauge of disconnected clients never falls, and a client that leaves is an error.
#
# Date:     2026-11-29
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend and mocker, file discovery
# Guess:    dynamo_frontend_disconnected_clients is a gauge, so it returns to 0 when the cancelled requests are
#           cleared; a cancelled request has a status of its own.
# Seen:     it counts up for ever, typed as a gauge. Cancelled requests are status="error" with error_type="cancelled",
#           so a ratio of errors rises when users close their browsers.
# Output:   ten seconds after three clients left: type gauge, disconnected_clients 3, inflight_requests 0
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
import json, os, pathlib, random, re, socket, subprocess, sys, time, urllib.error, urllib.request

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

_, url = frontend()
mocker("agg")
until(lambda: ask(url)[0] == 200)
host, port = url.removeprefix("http://").split(":")
body = json.dumps({"model": "m", "max_tokens": 4000, "stream": True, "ignore_eos": True,
    "messages": [{"role": "user", "content": "w1"}]})
head = "POST /v1/chat/completions HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\nContent-Length: "
for _ in range(3):
    with socket.create_connection((host, int(port))) as client:
        client.sendall(f"{head}{len(body)}\r\n\r\n{body}".encode())
        client.recv(1000)
gauge = "^dynamo_frontend_disconnected_clients"
until(lambda: series(url, gauge)[0].endswith(" 3"))
time.sleep(10)
lines = series(url, gauge + "|cancelled|^dynamo_frontend_inflight_requests")
kind = re.search(r"# TYPE dynamo_frontend_disconnected_clients (\w+)", fetch(url + "/metrics")[1])[1]
print(f"ten seconds after three clients left: type {kind}", *lines, sep="\n  ")

assert kind == "gauge" and series(url, gauge)[0].endswith(" 3")
assert any('status="error"' in line and line.endswith(" 3") for line in series(url, 'error_type="cancelled"'))
assert all(line.endswith(" 0") for line in series(url, "^dynamo_frontend_inflight_requests"))
END
job=$!
wait $job
