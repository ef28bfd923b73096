#!/usr/bin/env bash
# Dynamo: with the shutdown event that vLLM's worker uses, the grace period ends the answers, not the shutdown bound.
#
# Date:     2026-11-29
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend with file discovery; the engine is a stand-in whose
#           handler waits for the event of install_signal_handlers, as dynamo/vllm/handlers.py does
# Guess:    a worker under SIGTERM finishes its answers for up to DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS, as the
#           mocker does; DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS is only the pause in which routers forget it.
# Seen:     the event is set right after the grace period and the handler breaks its answers off. A bound of 60 s
#           changes nothing: grace 2 s means two more seconds for each answer.
# Output:   grace 2 s, bound 60 s: 49 events, broken off after 2.6 s, worker gone after 2.8 s
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

pathlib.Path("engine.py").write_text('''
import asyncio
from dynamo.common.utils.graceful_shutdown import install_signal_handlers
from dynamo.common.utils.runtime import create_runtime
from dynamo.llm import ModelInput, ModelType, WorkerType, register_model
from dynamo.llm.exceptions import EngineShutdown

async def main():
    runtime, loop = create_runtime("file", "tcp")
    stop, endpoint = asyncio.Event(), runtime.endpoint("dynamo.backend.generate")
    install_signal_handlers(loop, runtime, [endpoint], stop)
    async def generate(request, context):
        for _ in range(400):
            if stop.is_set():
                raise EngineShutdown("the engine stops")
            yield {"token_ids": [7]}
            await asyncio.sleep(0.05)
        yield {"token_ids": [], "finish_reason": "stop"}
    await asyncio.gather(endpoint.serve_endpoint(generate), register_model(
        ModelInput.Tokens, ModelType.Chat, endpoint, "model", "m", worker_type=WorkerType.Aggregated))

asyncio.run(main())
''')
handlers = next(pathlib.Path("venv/lib").glob("*/site-packages/dynamo/vllm/handlers.py")).read_text()
assert "asyncio.create_task(self.shutdown_event.wait())" in handlers

_, url = frontend()
bounds = {"DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS": "2", "DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS": "60"}
engine = start("engine", **bounds)
until(lambda: '"id":"m"' in fetch(url + "/v1/models")[1])
thread, events = stream(url, 400)
until(lambda: len(events) > 5)
stopped = time.monotonic()
engine.terminate()
thread.join()
broken = time.monotonic() - stopped
status = engine.wait()
gone = time.monotonic() - stopped
print(f"grace 2 s, bound 60 s: {len(events)} events, broken off after {broken:.1f} s, worker gone after {gone:.1f} s")
print(f"exit {status}, last events:", *events[-2:], sep="\n  ")

assert 1.8 < broken < 10, "an answer of 20 s outlived the grace period"
assert any('"error"' in event for event in events)
assert status == 0 and gone < 20
END
job=$!
wait $job
