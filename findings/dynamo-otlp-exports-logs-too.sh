#!/usr/bin/env bash
# Dynamo: a collector given for traces alone leaves the logs going to localhost:4317.
#
# Date:     2026-11-29
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1, grpcio 1.85.1 (PyPI), frontend, file discovery
# Guess:    OTEL_EXPORT_ENABLED with OTEL_EXPORTER_OTLP_TRACES_ENDPOINT exports traces, and nothing else.
# Seen:     logs are exported as well, to an endpoint of their own whose default is localhost:4317, also with
#           OTEL_LOGS_EXPORTER=none. Each failed export is an error in the log. OTEL_EXPORTER_OTLP_ENDPOINT is for both.
# Output:   OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: TraceService arrives, an error of the export of logs
#           OTEL_EXPORTER_OTLP_ENDPOINT: TraceService and LogsService arrive, no error
set -euo pipefail

work=$(mktemp -d)
trap 'kill -9 -- "-${job:-}" 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Only what the frontend and the mocker import.
venv/bin/pip install --quiet --no-compile --no-deps ai-dynamo==1.6.1 ai-dynamo-runtime==1.6.1 \
  annotated-types==0.8.0 msgspec==0.22.0 packaging==26.3 pydantic==2.13.5 pydantic-core==2.46.5 pyyaml==6.0.3 \
  typing-extensions==4.16.0 typing-inspection==0.4.5 uvloop==0.23.0 grpcio==1.85.1
export HOME=$work DYN_DISCOVERY_BACKEND=file DYN_FILE_KV=$work/discovery
export DYN_TCP_RPC_HOST=127.0.0.1 DYN_EVENT_PLANE_HOST=127.0.0.1

set -m # a process group of its own, which the trap ends
venv/bin/python - << 'END' &
import json, os, pathlib, random, re, socket, subprocess, sys, time, urllib.error, urllib.request

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

import concurrent.futures, grpc

arrived = set()
class Receiver(grpc.GenericRpcHandler):
    def service(self, details):
        def take(request, context):
            arrived.add(details.method.split("/")[1].rpartition(".")[2])
            return b""
        return grpc.unary_unary_rpc_method_handler(take)
server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((Receiver(),))
collector = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
server.start()

def exported(**env):
    """What arrives of a frontend that is asked three times, and how often its log has an error of exporting."""
    arrived.clear()
    pathlib.Path("log").write_text("")
    process, url = frontend(OTEL_EXPORT_ENABLED="true", **env)
    until(lambda: ask(url)[0] == 404)
    until(lambda: "TraceService" in arrived)
    time.sleep(5)
    process.terminate()
    process.wait()
    errors = pathlib.Path("log").read_text().count("BatchLogProcessor.ExportError")
    print(*env, "arrived:", *sorted(arrived), "errors:", errors)
    return set(arrived), errors > 0

assert exported(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=collector) == ({"TraceService"}, True)
assert exported(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=collector, OTEL_LOGS_EXPORTER="none") == ({"TraceService"}, True)
assert exported(OTEL_EXPORTER_OTLP_ENDPOINT=collector) == ({"TraceService", "LogsService"}, False)
END
job=$!
wait $job
