#!/usr/bin/env bash
# Dynamo: a certificate that may sign others (CA:TRUE), such as openssl's self-signed ones, leaves every request unanswered.
#
# Date:     2026-11-29
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend and mocker, file discovery; OpenSSL 3
# Guess:    one self-signed certificate, as `openssl req -x509` makes it, may be certificate and authority of all
#           processes: OpenSSL's own handshake, and Go's in etcd and NATS, take it.
# Seen:     OpenSSL verifies it, the workers are registered and healthy, and each request gets 503; the log says
#           "received fatal alert: CertificateUnknown". The same with CA:FALSE is taken.
# Output:   CA:TRUE: openssl says OK, worker's health 200, request 503
#           CA:FALSE: openssl says OK, worker's health 200, request 200
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

seen = []
for ca in ("TRUE", "FALSE"):
    openssl = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=dynamo", "-days", "2"]
    names = ["-addext", "subjectAltName=DNS:dynamo", "-addext", f"basicConstraints=critical,CA:{ca}"]
    files = {"CERT": f"{ca}.crt", "KEY": f"{ca}.key", "CA_CERT": f"{ca}.crt"}
    made = [*openssl, *names, "-keyout", files["KEY"], "-out", files["CERT"]]
    subprocess.run(made, check=True, capture_output=True)
    verify = ["openssl", "verify", "-CAfile", files["CERT"], "-purpose", "sslserver", "-verify_hostname", "dynamo"]
    said = subprocess.run([*verify, files["CERT"]], capture_output=True, text=True).stdout.split()[-1]
    port = str(random.randrange(20000, 32000))
    env = {"DYN_FILE_KV": os.environ["DYN_FILE_KV"] + ca, "DYN_TCP_TLS_SERVER_NAME": "dynamo"}
    env |= {f"DYN_TCP_TLS_{side}{name}_PATH": file for side in ("", "CLIENT_") for name, file in files.items()}
    _, url = frontend(**env)
    health = {"DYN_SYSTEM_PORT": port, "DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS": '["generate"]'}
    mocker("agg", **env, **health)
    # Before the frontend knows the model it says 404.
    until(lambda: ask(url)[0] not in (0, 404))
    time.sleep(5)
    found = said, fetch(f"http://127.0.0.1:{port}/health")[0], ask(url)[0]
    print("CA:{}: openssl says {}, worker's health {}, request {}".format(ca, *found))
    seen.append(found)

assert seen == [("OK", 200, 503), ("OK", 200, 200)]
assert "received fatal alert: CertificateUnknown" in pathlib.Path("log").read_text()
END
job=$!
wait $job
