"""`make verify`: what it makes of Helm's answers, which are as Helm 4 gives them."""

import json
from pathlib import Path

import pytest
import yaml

from hack.verbs import cli

TABLE = "Release demo in namespace llm: m on vllm, disaggregated\n\n      PROOF   FIGURE\nok    answer  4 prompts"
PROBE = "prefill  NVIDIA H200 on a\nOK: the KV cache goes over RDMA"


def run(*arguments: str) -> int:
    """The exit code of the verb."""
    try:
        return cli.run(["verify", *arguments])
    except SystemExit as end:
        return int(end.code or 0)


def hook(kind: str, name: str, when: str = "test", component: str = "test") -> str:
    labels = {"app.kubernetes.io/component": component}
    metadata = {"name": name, "annotations": {"helm.sh/hook": when}, "labels": labels}
    return str(yaml.safe_dump({"kind": kind, "metadata": metadata}))


HOOKS = "---\n".join(["", hook("Pod", "demo-test"), hook("Job", "demo-preflight", "pre-install,pre-upgrade")])
WITH_PROBE = "---\n".join([HOOKS, *(hook(kind, "demo-probe") for kind in ("ConfigMap", "Service", "Job"))])
PASSED = f"NAME: demo\nPhase:          Succeeded\n\nPOD LOGS: demo-test (verify)\n{TABLE}\n\nOK: 4 proved\n\n"
FAILED = f"NAME: demo\nPhase:          Failed\n\nPOD LOGS: demo-test (verify)\n{TABLE}\n\nFAIL: decode: 9 of 9\n\n"


class Helm:
    """A program that answers by the beginning of its arguments, and keeps them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cases = ""

    def answers(self, pattern: str, code: int, out: str = "", err: str = "") -> None:
        """What it prints and returns where its arguments fit a pattern of the shell; the first that fits."""
        number = self.cases.count(";;")
        (self.folder / f"{number}.out").write_text(out)
        (self.folder / f"{number}.err").write_text(err)
        self.cases += f"{pattern}) cat {number}.out; cat {number}.err >&2; exit {code};;\n"
        script = self.folder / "helm"
        script.write_text(f'#!/bin/sh\ncd {self.folder}\necho "$*" >> calls\ncase "$*" in\n{self.cases}esac\nexit 99\n')
        script.chmod(0o755)

    def calls(self) -> list[str]:
        """Its arguments, call by call."""
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Helm:
    monkeypatch.setattr("hack.tools.pinned.ensure", lambda names: {name: tmp_path / name for name in names})
    return Helm(tmp_path)


def test_a_proved_release(helm: Helm, capfd: pytest.CaptureFixture[str]) -> None:
    helm.answers("get*", 0, HOOKS)
    helm.answers("test*", 0, PASSED, f"level=INFO msg={json.dumps(TABLE)}\n")
    assert run("demo", "-n", "llm", "--context", "production", "--timeout", "9m") == 0
    assert helm.calls() == [
        "get hooks demo --namespace llm --kube-context=production",
        "test demo --filter=name=demo-test --timeout=9m --logs --namespace llm --kube-context=production",
    ]
    assert capfd.readouterr().out == f"{TABLE}\n\nOK: 4 proved\n"


def test_a_release_that_fails(helm: Helm, capfd: pytest.CaptureFixture[str]) -> None:
    helm.answers("get*", 0, HOOKS)
    helm.answers("test*", 1, FAILED, "Error: 1 error occurred:\n")
    assert run("demo") == 1
    assert capfd.readouterr().out == f"{TABLE}\n\nFAIL: decode: 9 of 9\n"


def test_the_benchmark_is_no_proof(helm: Helm) -> None:
    bench = [hook(kind, "demo-benchmark", component="benchmark") for kind in ("ConfigMap", "Service", "Job")]
    helm.answers("get*", 0, "---\n".join([HOOKS, *bench]))
    helm.answers("test*", 0, PASSED)
    assert run("demo") == 0
    assert len(helm.calls()) == 2


@pytest.mark.parametrize("code", [0, 1])
def test_the_probe_runs_besides(code: int, helm: Helm, capfd: pytest.CaptureFixture[str]) -> None:
    """Helm looks for a pod behind each hook that it logs, and a Job is none: its log is a line of Helm's."""
    helm.answers("get*", 0, WITH_PROBE)
    helm.answers("*--logs*", 0, PASSED)
    helm.answers("test*", code, "NAME: demo\n", f"level=INFO msg={json.dumps(PROBE)}\n")
    assert run("demo") == code
    assert helm.calls()[2] == "test demo --filter=name=demo-probe --timeout=5m --namespace default"
    assert capfd.readouterr().out == f"{TABLE}\n\nOK: 4 proved\n{PROBE}\n"


def test_a_test_that_did_not_start(helm: Helm, capfd: pytest.CaptureFixture[str]) -> None:
    helm.answers("get*", 0, HOOKS)
    helm.answers("test*", 1, "NAME: demo\n", "Error: timed out waiting for the condition\n")
    assert run("demo") == 1
    said = capfd.readouterr()
    assert "Error: timed out waiting for the condition" in said.out
    assert said.err == "FAIL: no log: the test did not start; see kubectl describe for demo-test\n"


@pytest.mark.parametrize(
    ("code", "out", "err", "says"),
    [
        (1, "", "Error: release: not found\n", 'there is no release "demo" in namespace llm (there is: chat, other):'),
        (
            1,
            "",
            "Error: kubernetes cluster unreachable: no such host\n",
            "the cluster could not be asked: Error",
        ),
        (0, hook("Job", "other", "pre-install"), "", 'release "demo" has no test: it is not a release of this chart'),
        (0, "", "", 'release "demo" has no test'),
    ],
)
def test_nothing_to_prove(
    code: int, out: str, err: str, says: str, helm: Helm, capfd: pytest.CaptureFixture[str]
) -> None:
    helm.answers("get*", code, out, err)
    helm.answers("list*", 0, "chat\nother\n")
    assert run("demo", "-n", "llm") == 2
    assert capfd.readouterr().err.startswith(f"error: {says}")
