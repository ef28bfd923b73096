"""The command line: one verb for each module of this folder, and the options that several verbs share."""

import importlib
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from hack.cluster.state import default_name, kubeconfig_path

VERBS = (
    *("demo", "validate", "preflight", "verify", "size", "convert"),
    *("cluster", "images", "machines", "tools"),
    *("schema", "docs", "flags", "release", "bench", "reliability", "overload", "scaling", "alerts"),
)
# As wide as the console's tables in a log file; examples are not wrapped.
SETTINGS = {"max_content_width": 120, "help_option_names": ["-h", "--help"]}


class Verbs(click.Group):
    """Imports a verb when it is asked for: `validate` need not wait for the Kubernetes client of `cluster`."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """The verbs, in the order in which they help."""
        return list(VERBS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """The verb of this name."""
        if name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"hack.verbs.{name}").command
        return command


@click.group(cls=Verbs, context_settings=SETTINGS)
def program() -> None:
    """Make, check, run and publish the chart. What makes a cluster or an image says what it does every few seconds."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; a usage error exits with 2, a UserError is raised."""
    try:
        return program.main(arguments, prog_name="python3 -m hack", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        raise KeyboardInterrupt from None


def examples(*lines: str) -> str:
    """The end of a --help: command lines after `python3 -m hack`, as they are."""
    return "\n".join(["\b", "Examples:", *(f"  python3 -m hack {line}" for line in lines)])


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


class Positive(click.FloatRange):
    """A number above 0 that can be counted with: click's own range lets nan and inf in."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        """The number."""
        number = super().convert(value, param, context)
        if not math.isfinite(number):
            self.fail(f"{value} is no number.", param, context)
        return number


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def together(*options: Decorator) -> Decorator:
    """Several options as one decorator; --help shows them in this order."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


helm_values = together(
    click.option("-f", "--values", "files", multiple=True, type=FILE, help="As for helm install; may be repeated."),
    click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="As for helm install; may be repeated."),
)
registry_connection = together(
    click.option("--ca-file", type=NEW_FILE, help="The registry's authority (on macOS: its keychain)."),
    click.option("--plain-http", is_flag=True, help="A registry without TLS; never over a network."),
)
test_cluster = click.option(
    "--kubeconfig",
    type=NEW_FILE,
    default=lambda: kubeconfig_path(default_name()),
    show_default="that of `make cluster`",
    help="Of a test cluster.",
)
check_only = click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file is not current.")
