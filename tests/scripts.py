"""The scripts that run in pods, as modules: they are files of a ConfigMap, in no package."""

import importlib.util
import sys
from typing import Any

from hack.base.paths import ROOT


def script(name: str) -> Any:
    """files/NAME.py."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "files" / f"{name}.py")
    assert spec
    assert spec.loader
    # Dataclasses look for their module there.
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
