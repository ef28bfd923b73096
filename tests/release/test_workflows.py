"""GitHub's workflow files under actionlint, which knows expressions, contexts and shell steps."""

import subprocess

from hack.base.paths import ROOT, TOOLS_BIN


def test_actionlint() -> None:
    done = subprocess.run([TOOLS_BIN / "actionlint", "-no-color"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
