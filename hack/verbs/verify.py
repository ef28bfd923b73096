"""Prove that a running release does what its values promise: `helm test`, with its table as it is printed.

What is proved, and what each lane of the KV cache means: docs/kv-path.md.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hack.base import process
from hack.base.log import UserError
from hack.base.step import Step
from hack.base.yamlfile import parse_all
from hack.chart.manifests import COMPONENT
from hack.tools import pinned
from hack.verbs.cli import FILE, examples

QUESTION_SECONDS = 30
HOOK = "helm.sh/hook"
# How Helm 4 writes the log of a hook: one line of its own log.
LOGGED = re.compile(r'^level=INFO msg=("(?:[^"\\]|\\.)*")$')


class UnaskedError(UserError):
    """There is nothing to prove, or nobody to ask."""


class Release:
    """A release in a cluster, by Helm's command line."""

    def __init__(self, name: str, namespace: str, where: Sequence[str] = ()) -> None:
        self.name, self.namespace = name, namespace
        self.helm = str(pinned.ensure(["helm"])["helm"])
        self.where = ["--namespace", namespace, *where]

    def hooks(self) -> list[Any]:
        """The objects that `helm test` makes. Raises UnaskedError."""
        done = self._ask("get", "hooks", self.name)
        if "release: not found" in done.stderr:
            others = ", ".join(self._ask("list", "--short").stdout.split()) or "none"
            raise UnaskedError(
                f'there is no release "{self.name}" in namespace {self.namespace} (there is: {others}): name one of '
                "them, or its namespace with -n"
            )
        if done.returncode:
            raise UnaskedError(f"the cluster could not be asked: {done.stderr.strip()}")
        objects = parse_all(done.stdout)
        tests = [item for item in objects if "test" in str(item["metadata"]["annotations"].get(HOOK)).split(",")]
        if not tests:
            raise UnaskedError(f'release "{self.name}" has no test: it is not a release of this chart')
        return tests

    def test(self, names: Sequence[str], what: str, timeout: str, *options: str) -> tuple[int, list[str]]:
        """Run some of the tests; returns Helm's exit code and all that it printed, line by line."""
        lines: list[str] = []
        chosen = [f"--filter=name={name}" for name in names]
        command = [self.helm, "test", self.name, *chosen, f"--timeout={timeout}", *options, *self.where]
        try:
            Step("verify").run(command, what, observe=lines.append)
        except UserError:
            return 1, lines
        return 0, lines

    def _ask(self, *arguments: str) -> process.Done:
        return process.run([self.helm, *arguments, *self.where], timeout=QUESTION_SECONDS)


def verify(release: Release, timeout: str) -> bool:
    """Run the tests of a release and print what they print. Raises UnaskedError."""
    # The benchmark proves nothing, and takes its time.
    tests = [item for item in release.hooks() if item["metadata"].get("labels", {}).get(COMPONENT) != "benchmark"]
    pods = [item["metadata"]["name"] for item in tests if item["kind"] == "Pod"]
    others = sorted({item["metadata"]["name"] for item in tests if item["kind"] != "Pod"})
    # Helm prints the logs of pods as they are, and looks for a pod behind each hook.
    code, lines = release.test(pods, "four proofs", timeout, "--logs")
    report(lines, code, pods)
    if others:
        job = next((item["metadata"]["name"] for item in tests if item["kind"] == "Job"), "")
        probed, lines = release.test(others, f"the probe {job}", timeout)
        report(lines, probed, [job])
        code = code or probed
    return code == 0


def report(lines: Sequence[str], code: int, names: Sequence[str]) -> None:
    """The logs of tests within Helm's output; where there are none, all of it, and where to look."""
    logs = [json.loads(match[1]) for line in lines if (match := LOGGED.match(line))]
    starts = [number for number, line in enumerate(lines) if line.startswith("POD LOGS:")]
    if starts:
        shown = [line for line in lines[starts[0] + 1 :] if not line.startswith(("level=", "Error:"))]
        print("\n".join(shown).strip())
    elif logs:
        print("\n".join(logs))
    elif code:
        print("\n".join(lines))
        print(f"FAIL: no log: the test did not start; see kubectl describe for {', '.join(names)}", file=sys.stderr)


@click.command(
    short_help="Prove that a running release does what its values promise.",
    help=f"{__doc__}\n\nExits with 0 (all is proved), 1 (it is not) or 2 (there is no such release or cluster).",
    epilog=examples(
        "verify demo -n llm",
        "verify chat -n llm --context production --timeout 15m",
    ),
)
@click.argument("release")
@click.option("-n", "--namespace", default="default", show_default=True, help="Of the release.")
@click.option("--timeout", default="5m", show_default=True, help="For each test.")
@click.option("--kubeconfig", type=FILE, show_default="$KUBECONFIG, else ~/.kube/config")
@click.option("--context", show_default="the current one")
def command(release: str, namespace: str, timeout: str, kubeconfig: Path | None, context: str | None) -> int:
    where = [f"--kubeconfig={kubeconfig}"] if kubeconfig else []
    where += [f"--kube-context={context}"] if context else []
    try:
        return 0 if verify(Release(release, namespace, where), timeout) else 1
    except UnaskedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
