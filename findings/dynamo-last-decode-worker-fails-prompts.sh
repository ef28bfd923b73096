#!/usr/bin/env bash
# Dynamo: when the last decode worker of a namespace stops, every answer of it fails whose prompt is being computed.
#
# Date:     2026-11-30
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend and mocker, file discovery, kv router
# Guess:    a decode worker that is told to stop ends what it has, and what has not reached it goes to the other namespace
#           under the frontend's prefix, which has both roles ready; --migration-limit 3 sees to it.
# Seen:     a request chooses its namespace first and its decode worker when the prompt is computed, seconds later. The
#           choice stays, and without a decode worker there it ends with 500. It is not tried again. With the last
#           prefill worker first nothing is lost: prompts end, and new requests take the other namespace.
# Output:   the last decode worker told to stop: 11 of 20 requests 500; the last prefill worker: 0 of 20
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

# A prompt takes some seconds.
def generation(suffix):
    env = {"DYN_NAMESPACE": "rel", "DYN_NAMESPACE_WORKER_SUFFIX": suffix}
    return {"prefill": mocker("prefill", "--speedup-ratio", "0.01", **env), "decode": mocker("decode", **env)}

def lost(number, role):
    """How many of 20 requests fail when one of two namespaces loses a role while prompts are computed."""
    prefix = ["--namespace-prefix", f"rel-{number}", "--migration-limit", "3", "--router-mode", "kv"]
    _, url = frontend(*prefix)
    old, new = (generation(f"{number}{letter * 7}") for letter in "ab")
    for letter in "ab":
        until(lambda: f'"rel-{number}{letter * 7}":{{"ready":true' in fetch(url + "/v1/models/m/ready")[1])
    until(lambda: all(ask(url)[0] == 200 for _ in range(4)))
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(ask(url, 40))) for _ in range(20)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    old[role].terminate()
    for thread in threads:
        thread.join()
    assert {status for status, _ in seen} <= {200, 500}, seen
    after = [ask(url)[0] for _ in range(4)]
    for process in (*old.values(), *new.values()):
        process.kill()
    assert after == [200] * 4, after
    return sum(status == 500 for status, _ in seen)

decode, prefill = lost(1, "decode"), lost(2, "prefill")
print(f"the last decode worker told to stop: {decode} of 20 requests 500; the last prefill worker: {prefill} of 20")

assert decode > 0 and prefill == 0
END
job=$!
wait $job
