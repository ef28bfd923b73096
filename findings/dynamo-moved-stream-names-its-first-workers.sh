#!/usr/bin/env bash
# Dynamo: a stream that moved to another worker goes on naming the workers that it began with.
#
# Date:     2026-11-30
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend and mocker, file discovery
# Guess:    with nvext.extra_fields ["worker_id"] each event of a stream says which decode worker it comes from, so that
#           the events after a migration name the new one.
# Seen:     all events name the worker that was killed, also those that the other one computed. So worker_id is the
#           first choice of the router; where a stream ended, only the workers' own counters and logs say.
# Output:   1500 of 1500 tokens, moved ['1']; the last 1386 events name the killed worker
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
import json, os, pathlib, random, re, subprocess, sys, threading, time, urllib.error, urllib.request

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
ports = [str(port) for port in random.sample(range(20000, 32000), 2)]
decode = [mocker("decode", DYN_SYSTEM_PORT=port) for port in ports]
mocker("prefill")
def worker_id(port):
    return re.search(r'worker_id="(\w+)"', fetch(f"http://127.0.0.1:{port}/metrics")[1])
until(lambda: all(map(worker_id, ports)))
until(lambda: all(ask(url)[0] == 200 for _ in range(8)))

def decodes(events):
    """The decode workers that events name, in hex as in their metrics."""
    named = [json.loads(event)["nvext"]["worker_id"]["decode_worker_id"] for event in events if '"decode_worker_id"' in event]
    return [f"{number:x}" for number in named]

thread, events = stream(url, 1500, nvext={"extra_fields": ["worker_id"]})
until(lambda: len(events) > 50)
(first,) = set(decodes(list(events)))
ids = [worker_id(port)[1] for port in ports]
before = len(events)
decode[ids.index(first)].kill()
thread.join()
tokens = sum('"content"' in event for event in events)
moved = re.findall(r"^dynamo_frontend_model_migration_total\{.*\} (\d+)$", fetch(url + "/metrics")[1], re.MULTILINE)
after = decodes(events[before + 50 :])
print(f"{tokens} of 1500 tokens, moved {moved}; the last {len(after)} events name {set(after) == {first} and 'the killed worker'}")

assert tokens == 1500 and sum(map(int, moved)) == 1 and after and set(after) == {first}
END
job=$!
wait $job
