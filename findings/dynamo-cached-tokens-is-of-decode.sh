#!/usr/bin/env bash
# Dynamo: cached_tokens of a disaggregated answer is the decode worker's cache, not the prefill that was saved.
#
# Date:     2026-11-29
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend and mocker, file discovery
# Guess:    usage.prompt_tokens_details.cached_tokens counts the tokens that the prefill worker did not compute again.
# Seen:     with prefix caching off at decode it is always 0, although the second prompt is prefilled several times
#           faster; with it off at prefill it is nearly the whole prompt, although each prefill computes every token.
# Output:   caching at prefill only: cached_tokens [0, 0, 0], seconds [1.77, 0.33, 0.25]
#           caching at decode only:  cached_tokens [0, 7936, 7936], seconds [1.77, 1.75, 1.72]
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

seen = {}
for caching in ("prefill", "decode"):
    store = {"DYN_FILE_KV": os.environ["DYN_FILE_KV"] + caching}
    _, url = frontend(**store)
    for role in ("prefill", "decode"):
        switch = "--enable-prefix-caching" if role == caching else "--no-enable-prefix-caching"
        mocker(role, switch, "--speedup-ratio", "0.1", **store)
    until(lambda: ask(url)[0] == 200)
    cached, seconds = [], []
    for _ in range(3):
        before = time.monotonic()
        usage = json.loads(ask(url, words=8000, max_tokens=1)[1])["usage"]
        seconds.append(round(time.monotonic() - before, 2))
        cached.append(usage["prompt_tokens_details"]["cached_tokens"])
    print(f"caching at {caching} only: cached_tokens {cached}, seconds {seconds}")
    seen[caching] = cached, seconds

cached, seconds = seen["prefill"]
assert cached == [0, 0, 0] and max(seconds[1:]) < seconds[0] * 0.7
cached, seconds = seen["decode"]
assert cached[0] == 0 and min(cached[1:]) > 7000 and min(seconds[1:]) > seconds[0] * 0.7
END
job=$!
wait $job
