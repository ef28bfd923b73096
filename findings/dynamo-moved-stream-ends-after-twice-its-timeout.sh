#!/usr/bin/env bash
# Dynamo: a streamed answer that is being moved is dropped after twice the stream time-out, whatever the migration limit.
#
# Date:     2026-11-30
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend and mocker, file discovery, TCP
# Guess:    DYN_HTTP_BACKEND_STREAM_TIMEOUT_SECS is how long an answer may stand still before another worker gets it; while
#           --migration-limit is not used up, the frontend goes on trying, and a client waits.
# Seen:     it is two clocks. After 6 s the router moves the answer. The HTTP server has a clock of twice that, which the move
#           does not reset: when the next worker does not answer either (5 s, DYN_TCP_REQUEST_TIMEOUT), the stream just ends
#           12 s after its last token, with status 200, without an error event and without [DONE], and most migrations unused.
# Output:   the stream ended (closed) 12.0 s after its last token, tries at other workers: 2, [DONE]: False, error event: False
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

def stream(url, tokens):
    """Start a streamed answer: the thread that reads it, its events, and when the last one came and the stream ended."""
    body = {"model": "m", "max_tokens": tokens, "stream": True, "ignore_eos": True,
        "messages": [{"role": "user", "content": "w1"}]}
    events, times = [], {}
    def read():
        data, kind = json.dumps(body).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(url + "/v1/chat/completions", data, kind)
        with urllib.request.urlopen(request, timeout=90) as answer:
            try:
                for line in answer:
                    if line.startswith(b"data: "):
                        events.append(line[6:].decode().strip())
                        times["last"] = time.monotonic()
                times["how"] = "closed"
            except Exception as error:
                times["how"] = type(error).__name__
        times["end"] = time.monotonic()
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread, events, times

def until(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "too late: " + pathlib.Path("log").read_text()[-3000:]
        time.sleep(0.2)

_, url = frontend("--migration-limit", "10", DYN_HTTP_BACKEND_STREAM_TIMEOUT_SECS="6")
workers = [mocker("agg") for _ in range(3)]
until(lambda: ask(url)[0] == 200)
time.sleep(5) # all three are known

thread, events, times = stream(url, 5000)
until(lambda: len(events) > 20)
for worker in workers:
    worker.send_signal(signal.SIGSTOP)
thread.join()
text = pathlib.Path("log").read_text()
tries = text.count("Stream disconnected, recreating stream") + text.count("Creating new stream, retrying")
stall = times["end"] - times["last"]
print(f"the stream ended ({times['how']}) {stall:.1f} s after its last token, tries at other workers: {tries}, "
      f"[DONE]: {'[DONE]' in events}, error event: {any('error' in event for event in events)}")
assert 11 < stall < 14 and "[DONE]" not in events and not any("error" in event for event in events)
assert 1 <= tries < 10
END
job=$!
wait $job
