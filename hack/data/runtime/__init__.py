"""The simulated runtime: Dynamo's frontend and mocker on a CPU, with a model folder without weights."""

from pathlib import Path

FOLDER = Path(__file__).parent
# What the ranks of a simulated worker of several nodes run.
RENDEZVOUS = FOLDER / "rendezvous.py"
# Both bases named in hack/data/versions.yaml have this Python.
PYTHON_VERSION = "3.11"
