#!/usr/bin/env bash
# AIPerf: the warm-up's prompts are asked again in the measurement, where a prefix cache has them.
#
# Date:     2026-11-29
# Versions: aiperf 0.13.0 (PyPI), against a server of the standard library
# Guess:    --warmup-request-count 4 and --request-count 20 ask 24 different synthetic prompts.
# Seen:     20 prompts are made, one for each measured request; the warm-up asks the first four of them, and the
#           measurement asks them again. With --num-dataset-entries 24 and --dataset-sampling-strategy sequential all 24
#           differ.
# Output:   as it is: 24 requests, 20 prompts, 4 of the warm-up's 4 asked again
#           24 entries, sequential: 24 requests, 24 prompts, 0 of the warm-up's 4 asked again
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

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        base = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        usage = {"prompt_tokens": 16, "completion_tokens": 2, "total_tokens": 18}
        events = [base | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": f" w{i}"}}]} for i in (1, 2)]
        for event in [*map(json.dumps, [*events, base | {"choices": [], "usage": usage}]), "[DONE]"]:
            self.wfile.write(f"data: {event}\n\n".encode())

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()

def profile(name, *options):
    command = ["venv/bin/aiperf", "profile", "--model", "m", "--url", f"http://127.0.0.1:{server.server_port}",
        "--endpoint-type", "chat", "--streaming", "--tokenizer", str(pathlib.Path("model").absolute()),
        "--request-count", "20", "--warmup-request-count", "4", "--concurrency", "2", "--isl", "16", "--osl", "2",
        "--random-seed", "7", "--artifact-dir", name.split()[0], "--ui", "none", *options]
    with open("log", "w") as log:
        status = subprocess.run(command, stdout=log, stderr=log).returncode
    assert status == 0, pathlib.Path("log").read_text()[-3000:]
    lines = pathlib.Path(name.split()[0], "profile_export.jsonl").read_text().splitlines()
    asked = [json.loads(line)["metadata"] for line in lines]
    phases = {kind: [a["conversation_id"] for a in asked if a["phase_kind"] == kind] for kind in ("warmup", "profiling")}
    again = sum(prompt in phases["profiling"] for prompt in phases["warmup"])
    prompts = len({a["conversation_id"] for a in asked})
    print(f"{name}: {len(asked)} requests, {prompts} prompts, {again} of the warm-up's {len(phases['warmup'])} asked again")
    return prompts, again

assert profile("as it is") == (20, 4)
options = ("--num-dataset-entries", "24", "--dataset-sampling-strategy", "sequential")
assert profile("24 entries, sequential", *options) == (24, 0)
END
job=$!
wait $job
