"""The fake GPU device plugin: the program that runs in its pods, and the manifest that runs it."""

from pathlib import Path

FOLDER = Path(__file__).parent
PROGRAM = FOLDER / "plugin.py"
PROTO = FOLDER / "deviceplugin.proto"
MANIFEST = FOLDER / "daemonset.yaml"
