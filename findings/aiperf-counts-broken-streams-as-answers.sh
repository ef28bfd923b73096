#!/usr/bin/env bash
# AIPerf: a stream that ends in an error event is a successful request; if all are refused there is no report at all.
#
# Date:     2026-11-29
# Versions: aiperf 0.13.0 (PyPI), against a server of the standard library that answers as Dynamo 1.6.1 does when a
#           worker is lost in the middle of an answer: some tokens, an event with "error", [DONE]
# Guess:    the error event makes a failed request, so request_error_rate and error_summary show the loss.
# Seen:     half of ten streams break: request_count 10, request_error_rate 0, error_summary []. The only trace is that
#           usage is missing in five records. When all requests get 503, aiperf exits 1 and writes no summary.
# Output:   broken: exit 0, request_count 10, error_summary [], usage in 5 of 10 records, request_error_rate: 0.0
#           refused: exit 1, summary written: no
set -euo pipefail

work=$(mktemp -d)
trap 'kill -9 -- "-${job:-}" 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile aiperf==0.13.0
export HOME=$work

set -m # a process group of its own, which the trap ends
venv/bin/python - << 'END' &
import http.server, json, pathlib, subprocess, threading

tokenizer = {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "WhitespaceSplit"},
    "model": {"type": "WordLevel", "unk_token": "w0", "vocab": {f"w{i}": i for i in range(32768)}}}
pathlib.Path("model").mkdir()
pathlib.Path("model/tokenizer.json").write_text(json.dumps(tokenizer))
pathlib.Path("model/tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
served, refuse = 0, False

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global served
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503 if refuse else 200)
        self.send_header("Content-Type", "application/json" if refuse else "text/event-stream")
        self.end_headers()
        if refuse:
            return self.wfile.write(b'{"message": "Model `m` is not ready to serve requests yet", "code": 503}')
        served += 1
        broken = served % 2 == 0
        base = {"id": str(served), "object": "chat.completion.chunk", "created": 1, "model": "m"}
        events = [base | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": f" w{i}"}}]}
            for i in range(8 if broken else 20)]
        usage = {"prompt_tokens": 16, "completion_tokens": 20, "total_tokens": 36}
        error = {"message": "Internal server error", "type": "internal_server_error", "code": 500}
        events.append({"error": error} if broken else base | {"choices": [], "usage": usage})
        for event in [*map(json.dumps, events), "[DONE]"]:
            self.wfile.write(f"data: {event}\n\n".encode())

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()

def profile(name):
    command = ["venv/bin/aiperf", "profile", "--model", "m", "--url", f"http://127.0.0.1:{server.server_port}",
        "--endpoint-type", "chat", "--streaming", "--tokenizer", str(pathlib.Path("model").absolute()),
        "--request-count", "10", "--concurrency", "1", "--isl", "16", "--osl", "20",
        "--artifact-dir", name, "--ui", "none"]
    with open(name + ".log", "w") as log:
        status = subprocess.run(command, stdout=log, stderr=log).returncode
    return status, pathlib.Path(name, "profile_export_aiperf.json")

status, file = profile("broken")
assert file.exists(), pathlib.Path("broken.log").read_text()[-3000:]
summary = json.loads(file.read_text())
records = [json.loads(line) for line in pathlib.Path("broken/profile_export.jsonl").read_text().splitlines()]
usage = sum("usage_completion_tokens" in record["metrics"] for record in records)
count, errors = summary["request_count"]["avg"], summary["error_summary"]
print(f"broken: exit {status}, request_count {count:.0f}, error_summary {errors}, usage in {usage} of 10 records")
print("request_error_rate:", summary["request_error_rate"]["avg"])
refuse = True
refused, file = profile("refused")
print(f"refused: exit {refused}, summary written:", "yes" if file.exists() else "no")

assert status == 0 and count == len(records) == 10 and errors == [] and usage == 5
assert summary["request_error_rate"]["avg"] == 0
assert refused == 1 and not file.exists()
END
job=$!
wait $job
