#!/usr/bin/env bash
# Dynamo: new workers whose model card differs are Ready but get nothing, and when the old ones go the model is 404.
#
# Date:     2026-11-29
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend and mocker, file discovery
# Guess:    a rollout that first adds the new decode worker and then stops the old one loses nothing, whatever changed.
# Seen:     the first worker's card holds for its pool. A worker with another block size, router mode or
#           --max-model-len is rejected in the frontend's log only: its /health is 200. When the last old worker
#           leaves, requests get 404 with an empty body for about a second, then the new one is taken. --max-num-seqs
#           may differ.
# Output:   new --max-num-seqs: 2 decode workers
#           --block-size 128: rejected, 1 decode worker, its /health 200 ... the others alike
#           after SIGTERM to the old one: 404 from 0.1 to 0.8 s, then 200
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

def until(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "too late: " + pathlib.Path("log").read_text()[-3000:]
        time.sleep(0.2)

health = {"DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS": '["generate"]'}
def decoders():
    return int(re.search(r'"decode":\{"workers":(\d)', fetch(url + "/v1/models/m/ready")[1])[1])
def rejected():
    return set(re.findall("rejected_checksum.*?([0-9a-f]{64})", pathlib.Path("log").read_text()))
known = 0
_, url = frontend("--migration-limit", "3")
mocker("prefill")
old = mocker("decode")
until(lambda: ask(url)[0] == 200)

same = mocker("decode", "--max-num-seqs", "8")
until(lambda: decoders() == 2)
print("new --max-num-seqs:", decoders(), "decode workers")
same.terminate()
until(lambda: decoders() == 1)

for setting in (["--block-size", "128"], ["--router-mode", "random"], ["--max-model-len", "8192"]):
    system = str(random.randrange(20000, 32000))
    new = mocker("decode", *setting, DYN_SYSTEM_PORT=system, **health)
    until(lambda: fetch(f"http://127.0.0.1:{system}/health")[0] == 200)
    until(lambda: len(rejected()) > known)
    known = len(rejected())
    print(*setting, "rejected,", decoders(), "decode worker, its /health 200")
    assert decoders() == 1
    if setting[0] != "--max-model-len":
        new.terminate()
        new.wait()

old.terminate()
stopped, answers = time.monotonic(), []
while not answers or answers[-1][1] != 200 or time.monotonic() - stopped < 3:
    answers.append((time.monotonic() - stopped, ask(url)[0]))
    time.sleep(0.05)
lost = [at for at, status in answers if status == 404]
print(f"after SIGTERM to the old one: 404 from {lost[0]:.1f} to {lost[-1]:.1f} s, then {answers[-1][1]}")
assert lost and decoders() == 1
END
job=$!
wait $job
