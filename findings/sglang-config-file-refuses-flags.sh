#!/usr/bin/env bash
# SGLang: a flag that works on the command line ends the server in its --config file, a deprecated one among them.
#
# Date:     2026-12-01
# Versions: sglang 0.5.21 (PyPI; the pin of Dynamo 1.6.1), pyyaml 6.0.3; two files of the package, without torch
# Guess:    "Read CLI options from a config file" takes every option of the command line, and --disable-cuda-graph, which is
#           only deprecated, goes on working wherever it stands.
# Seen:     the reader of the file takes flags whose argparse action is exactly store or store_true, and raises for all
#           others: disable-cuda-graph is registered with a class of SGLang's own for deprecated flags. A boolean of a flag
#           with a value becomes the word "true". The same flags on the command line are taken. Under Dynamo its own flags
#           (dyn-tool-call-parser) in that file are unknown, too: it reads the file behind them (dynamo/sglang/args.py).
# Output:   command line: disable_cuda_graph=True deepep_mode='normal'
#           file, deepep-mode alone: ['--deepep-mode', 'normal']
#           file, with disable-cuda-graph: ValueError Unsupported config option 'disable_cuda_graph' with action
#           'DeprecatedStoreTrueAction'
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile --no-deps sglang==0.5.21 pyyaml==6.0.3

venv/bin/python - << 'END'
import argparse, importlib.util, logging, pathlib, re, sysconfig

logging.disable()
package = pathlib.Path(sysconfig.get_path("purelib"), "sglang", "srt")

def load(path):
    spec = importlib.util.spec_from_file_location(pathlib.Path(path).stem, package / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

actions, reader = load("arg_groups/argparse_actions.py"), load("utils/server_args_config_parser.py")
# As the server registers it.
registered = re.search(r'"--disable-cuda-graph",\s*action=(\w+),', (package / "server_args.py").read_text())[1]
parser = argparse.ArgumentParser()
parser.add_argument("--config")
parser.add_argument("--deepep-mode")
parser.add_argument("--disable-cuda-graph", action=getattr(actions, registered), new_flag="--cuda-graph-backend-prefill")
merger = reader.ConfigArgumentMerger(parser=parser)

def of_file(text):
    pathlib.Path("engine.yaml").write_text(text)
    try:
        return merger.merge_config_with_args(["--config", "engine.yaml"])
    except ValueError as error:
        return f"ValueError {error}"

taken = parser.parse_args(["--disable-cuda-graph", "--deepep-mode", "normal"])
print(f"command line: disable_cuda_graph={taken.disable_cuda_graph} deepep_mode={taken.deepep_mode!r}")
alone = of_file("deepep-mode: normal\n")
print("file, deepep-mode alone:", alone)
both = of_file("deepep-mode: normal\ndisable-cuda-graph: true\n")
print("file, with disable-cuda-graph:", both)

assert registered == "DeprecatedStoreTrueAction" and taken.disable_cuda_graph is True
assert alone == ["--deepep-mode", "normal"]
assert both == "ValueError Unsupported config option 'disable_cuda_graph' with action 'DeprecatedStoreTrueAction'"
assert of_file("deepep-mode: true\n") == ["--deepep-mode", "true"]
END
