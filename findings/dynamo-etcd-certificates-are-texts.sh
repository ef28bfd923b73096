#!/usr/bin/env bash
# Dynamo: ETCD_AUTH_CA and its two companions take PEM texts, where their documentation speaks of paths.
#
# Date:     2026-11-29
# Versions: ai-dynamo and ai-dynamo-runtime 1.6.1 (PyPI), frontend and mocker; etcd 3.6.14 (Go module)
# Guess:    they name files, as DYN_TCP_TLS_*_PATH and NATS_TLS_*_PATH do.
# Seen:     with the files' names the frontend never reaches etcd ("Unable to connect to etcd server", nothing about
#           certificates) and does not listen; with the texts it serves.
# Output:   with the PEM texts: 200. With the files' names, 10 s later: /live 0 (0: it does not listen)
#           log: Unable to connect to etcd server at https://localhost:... Check etcd server status
set -euo pipefail

work=$(mktemp -d)
trap 'kill -9 -- "-${job:-}" 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
# Only what the frontend and the mocker import.
venv/bin/pip install --quiet --no-compile --no-deps ai-dynamo==1.6.1 ai-dynamo-runtime==1.6.1 \
  annotated-types==0.8.0 msgspec==0.22.0 packaging==26.3 pydantic==2.13.5 pydantic-core==2.46.5 pyyaml==6.0.3 \
  typing-extensions==4.16.0 typing-inspection==0.4.5 uvloop==0.23.0
(cd "$work" && mkdir module && cd module && go mod init pem && go get go.etcd.io/etcd/server/v3@v3.6.14 &&
  go build -o "$work/etcd" go.etcd.io/etcd/server/v3) 2> go.log || { cat go.log; exit 1; }
# One certificate for both sides, of an authority of its own.
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt 2> /dev/null
openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout tls.key -out tls.csr 2> /dev/null
printf 'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n' > ext
openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out tls.crt 2> /dev/null
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

client, peer = (f"https://localhost:{port}" for port in random.sample(range(20000, 32000), 2))
listen = client.replace("localhost", "127.0.0.1")
with open("etcd.log", "w") as log:
    subprocess.Popen(["./etcd", "--data-dir", "data", "--listen-client-urls", listen, "--advertise-client-urls", client,
        "--listen-peer-urls", peer.replace("https://localhost", "http://127.0.0.1"), "--client-cert-auth=true",
        "--cert-file=tls.crt", "--key-file=tls.key", "--trusted-ca-file=ca.crt"], stdout=log, stderr=log)
names = {"ETCD_AUTH_CA": "ca.crt", "ETCD_AUTH_CLIENT_CERT": "tls.crt", "ETCD_AUTH_CLIENT_KEY": "tls.key"}
paths = {name: os.path.abspath(file) for name, file in names.items()}
texts = {name: pathlib.Path(file).read_text() for name, file in names.items()}
discovery = {"DYN_DISCOVERY_BACKEND": "etcd", "ETCD_ENDPOINTS": client}
_, by_path = frontend(**discovery, **paths)
_, by_text = frontend(**discovery, **texts)
mocker("agg", **discovery, **texts)
until(lambda: ask(by_text)[0] == 200)
time.sleep(10)

status = fetch(by_path + "/live")[0]
log = pathlib.Path("log").read_text()
print("with the PEM texts: 200. With the files' names, 10 s later: /live", status, "(0: it does not listen)")
print("log:", (re.search(r"Unable to connect to etcd server[^\n]{0,120}", log) or [""])[0])

assert status == 0
assert "Unable to connect to etcd server" in log
END
job=$!
wait $job
