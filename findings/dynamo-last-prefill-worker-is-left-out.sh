#!/usr/bin/env bash
# Dynamo: when the last prefill worker goes, requests on their way are answered by a decode worker alone.
#
# Date:     2026-12-01
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend and mocker, file discovery, kv router
# Guess:    a request that finds no prefill worker is refused with 503, as one that comes a moment later, or waits.
# Seen:     the frontend looks whether both roles are there before it reads a request, and sends it to the decode worker
#           with no prompt computed when the last prefill worker has gone since then. The client gets 200 from the
#           mocker. Frontend and worker log it as any other. By their source Dynamo's decode workers compute the prompt
#           (vLLM), or fail ("bootstrap_info is required", SGLang; "Disaggregated params are required", TensorRT-LLM).
#           Two thousandths of a second, seldom: one to seven of 32 requests under way, in about half of the tries.
#           --enforce-disagg, which once refused them, is accepted and ignored.
# Output:   try 3: 4 of 3122 requests answered with 200 had no prefill worker; after that 503
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

def start(module, *args):
    with open("log", "a") as log:
        return subprocess.Popen([sys.executable, "-m", module, *args], stdout=log, stderr=log)

def mocker(role):
    model = ["--model-path", "model", "--model-name", "m"]
    return start("dynamo.mocker", *model, "--disaggregation-mode", role)

port = str(random.randrange(20000, 32000))
start("dynamo.frontend", "--http-host", "127.0.0.1", "--http-port", port, "--router-mode", "kv", "--enforce-disagg")

def ask():
    """The status of one request; 0 is no answer."""
    prompt = " ".join(f"w{random.randrange(30000)}" for _ in range(30))
    body = {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": prompt}]}
    address = f"http://127.0.0.1:{port}/v1/chat/completions"
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0

def alone():
    """Requests that a decode worker received and no prefill worker did."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", pathlib.Path("log").read_text())
    seen = re.findall(r'request received .*\brequest_id="(.+?)" component="(.+?)" endpoint="generate"', text)
    return {name for name, role in seen if role == "backend"} - {name for name, role in seen if role == "prefill"}

mocker("decode")
statuses = []
for number in range(1, 21):
    prefill = mocker("prefill")
    end = time.monotonic() + 60
    while ask() != 200:
        assert time.monotonic() < end, "too late: " + pathlib.Path("log").read_text()[-3000:]
        time.sleep(0.2)
    stop = False
    def client():
        while not stop:
            statuses.append(ask())
    threads = [threading.Thread(target=client) for _ in range(32)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    prefill.terminate()
    prefill.wait()
    time.sleep(0.5)
    stop = True
    for thread in threads:
        thread.join()
    if alone():
        break
right = statuses.count(200)
print(f"try {number}: {len(alone())} of {right} requests answered with 200 had no prefill worker; after that", *set(statuses) - {200})

assert alone() and set(statuses) == {200, 503} and "ignored" in pathlib.Path("log").read_text()
END
job=$!
wait $job
