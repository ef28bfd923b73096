#!/usr/bin/env bash
# Dynamo: what a worker has not finished at its shutdown bound is lost, although a killed worker loses nothing.
#
# Date:     2026-11-29
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend and mocker, file discovery
# Guess:    a stream that outlives DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS of its worker moves to the other decode
#           worker, as --migration-limit 3 moves it when the worker is killed.
# Seen:     after SIGTERM and the bound the client gets an error event with code 500, then the end marker, and the
#           worker exits 0. The same stream under SIGKILL arrives complete.
# Output:   SIGTERM, bound 2 s: 548 of 1500 tokens, error: {"error":{"message":"Internal server error",...}}, exit 0
#           SIGKILL: 1500 of 1500 tokens, no error
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
import json, os, pathlib, random, signal, subprocess, sys, threading, time, urllib.error, urllib.request

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

def stream(url, tokens, **body):
    """Start a streamed answer: the thread that reads it, and its events, which become more."""
    body = {"model": "m", "max_tokens": tokens, "stream": True, "messages": [{"role": "user", "content": "w1"}]} | body
    events = []
    def read():
        data, kind = json.dumps(body | {"ignore_eos": True}).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(url + "/v1/chat/completions", data, kind)
        with urllib.request.urlopen(request, timeout=90) as answer:
            events.extend(line[6:].decode().strip() for line in answer if line.startswith(b"data: "))
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread, events

def until(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "too late: " + pathlib.Path("log").read_text()[-3000:]
        time.sleep(0.2)

_, url = frontend("--migration-limit", "3")
mocker("prefill")
answers = {}
for number, end in ((signal.SIGTERM, "SIGTERM, bound 2 s"), (signal.SIGKILL, "SIGKILL")):
    first = mocker("decode", DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS="2")
    until(lambda: '"decode":{"workers":1,' in fetch(url + "/v1/models/m/ready")[1] and ask(url)[0] == 200)
    thread, events = stream(url, 1500)
    other = mocker("decode")
    until(lambda: '"decode":{"workers":2,' in fetch(url + "/v1/models/m/ready")[1])
    first.send_signal(number)
    status = first.wait()
    thread.join()
    error = [event for event in events if '"error"' in event]
    tokens = sum('"content"' in event for event in events)
    print(f"{end}: {tokens} of 1500 tokens, errors: {error}, last event: {events[-1]}, exit {status}")
    answers[number] = (tokens, error, events[-1], status)
    other.terminate()
    other.wait()
    until(lambda: '"decode":{"workers":' not in fetch(url + "/v1/models/m/ready")[1])

tokens, error, last, status = answers[signal.SIGTERM]
assert tokens < 1500 and '"code":500' in error[0] and last == "[DONE]" and status == 0
assert answers[signal.SIGKILL][:3] == (1500, [], "[DONE]")
END
job=$!
wait $job
