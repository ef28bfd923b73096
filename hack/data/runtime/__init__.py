"""The simulated runtime: Dynamo's frontend and mocker on a CPU, with a model folder without weights."""

from pathlib import Path

FOLDER = Path(__file__).parent
# The packages of the Dynamo before, which replace those of the same names.
PREVIOUS = FOLDER.parent / "previous_runtime" / "requirements.txt"
# What the ranks of a simulated worker of several nodes run.
RENDEZVOUS = FOLDER / "rendezvous.py"
# Both bases named in hack/data/versions.yaml have this Python.
PYTHON_VERSION = "3.11"
