"""`python3 -m hack VERB ...`: every command of this repository. `VERB --help` shows examples."""

import os
import shlex
import sys
from pathlib import Path

VENV = Path(__file__).resolve().parents[1] / ".venv"


def main() -> None:
    """Run one command, with the packages of `make python`; without them say in one sentence what to run first."""
    missing = "" if sys.version_info >= (3, 11) else "Python 3.11 or newer"
    if not missing:
        try:
            from hack.base import log
            from hack.verbs import cli

            log.main(cli.run)
        except ModuleNotFoundError as error:
            missing = f"the Python package {str(error.name).partition('.')[0]}"
    python = VENV / "bin" / "python"
    command = [str(python), "-m", "hack", *sys.argv[1:]]
    if python.exists() and Path(sys.prefix).resolve() != VENV.resolve():
        os.execv(python, command)
    command[0] = ".venv/bin/python"
    print(f"error: {missing} is missing: run `make python`, then `{shlex.join(command)}`", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
