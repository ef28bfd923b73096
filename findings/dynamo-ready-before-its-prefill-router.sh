#!/usr/bin/env bash
# Dynamo: a frontend says that a model is ready some milliseconds before its prefill router works, and answers 503 then.
#
# Date:     2026-11-29
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend and mocker, file discovery, kv router
# Guess:    once /v1/models/m/ready answers 200, requests are answered; a request that comes too early is tried again
#           (--migration-limit 3).
# Seen:     from the commit of the decode workers to the activation of the prefill router the model is ready and
#           requests get 503; the three tries follow one another within a millisecond. 8 to 20 ms on an idle machine,
#           up to 240 ms on a busy one. The same happens in a running frontend whenever a new namespace under its
#           prefix becomes complete, so readiness probes do not cover it.
# Output:   frontend 1: ready after 7.6 s, then 503 for 1 of 7 requests, the last of them sent after 1 ms
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
import json, os, pathlib, random, subprocess, sys, threading, time, urllib.error, urllib.request

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

for role in ("prefill", "decode"):
    mocker(role)
first, url = frontend()
until(lambda: ask(url)[0] == 200)
first.kill()
for number in range(1, 11):
    begun = time.monotonic()
    process, url = frontend("--router-mode", "kv", "--migration-limit", "3")
    while fetch(url + "/v1/models/m/ready")[0] != 200:
        assert time.monotonic() < begun + 60, pathlib.Path("log").read_text()[-3000:]
        time.sleep(0.001)
    ready = time.monotonic()
    seen = []
    def client():
        while not seen or seen[-1][1] != 200:
            at = time.monotonic()
            seen.append((at - ready, ask(url)[0]))
    threads = [threading.Thread(target=client) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    process.kill()
    early = [at for at, status in seen if status == 503]
    if early:
        break
print(f"frontend {number}: ready after {ready - begun:.1f} s, then 503 for {len(early)} of {len(seen)} requests,",
      f"the last of them sent after {1000 * max(early, default=0):.0f} ms")
log = pathlib.Path("log").read_text()

assert early and "is still activating" in log and seen[-1][1] == 200
END
job=$!
wait $job
