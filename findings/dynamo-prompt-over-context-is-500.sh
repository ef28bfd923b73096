#!/usr/bin/env bash
# Dynamo: a prompt longer than the model's context is answered with 500, not with 400.
#
# Date:     2026-11-29
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend and mocker, file discovery
# Guess:    400 with the two lengths: the frontend counts the tokens and knows the context of the model.
# Seen:     500 "Internal server error" without any length, counted as error_type="internal"; streamed: an error event
#           under HTTP 200. The frontend itself lists context_window 4096. A max_tokens beyond the context is cut: 200.
# Output:   5,000 of 4,096 tokens: 500 {"message":"Internal server error","type":"Internal Server Error","code":500,...}
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

_, url = frontend()
mocker("prefill", "--max-model-len", "4096"), mocker("decode", "--max-model-len", "4096")
until(lambda: ask(url)[0] == 200)

status, text = ask(url, words=5000)
print("5,000 of 4,096 tokens:", status, text)
streamed = ask(url, words=5000, stream=True)
print("streamed:", *streamed)
window = json.loads(fetch(url + "/v1/models")[1])["data"][0]["context_window"]
print("context_window in /v1/models:", window)
cut_status, cut = ask(url, words=4000, max_tokens=1000)
print("4,000 tokens and max_tokens 1,000:", cut_status, json.loads(cut)["usage"])
internal = series(url, '^dynamo_frontend_requests_total.*error_type="internal"')
print(*internal, sep="\n")

assert status == 500 and "4096" not in text
assert streamed[0] == 200 and '"code":500' in streamed[1]
assert window == 4096
assert cut_status == 200 and json.loads(cut)["usage"]["total_tokens"] == 4096
assert sum(float(line.split()[-1]) for line in internal) == 2
END
job=$!
wait $job
