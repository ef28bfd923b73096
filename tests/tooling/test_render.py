"""Rendering: real Helm, each input once, and errors that can be run again; what is shown of a failure."""

import functools
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from hack.chart import helm
from hack.chart import render as chart
from hack.chart.helm import Helm, HelmError, HelmResult, Values
from hack.chart.render import InvalidObjectsError
from hack.chart.renderer import Outcome, Renderer
from hack.cluster.report import namespace_report
from hack.tools import gobuild


@pytest.fixture
def small_chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A chart of one ConfigMap, and a cache of its own."""
    (tmp_path / "chart" / "templates").mkdir(parents=True)
    (tmp_path / "chart" / "Chart.yaml").write_text("{apiVersion: v2, name: small, version: 1.0.0}")
    (tmp_path / "chart" / "templates" / "map.yaml").write_text(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a: {{ .Values.a | quote }}}}"
    )
    (tmp_path / "chart" / "values.schema.json").write_text("{}")
    monkeypatch.setattr(chart, "cache_dir", lambda: tmp_path / "cache")
    monkeypatch.setattr(chart, "ROOT", tmp_path / "chart")
    monkeypatch.setattr(chart, "_memory", {})
    monkeypatch.setattr(chart, "state", functools.cache(chart.state.__wrapped__))
    monkeypatch.setattr(chart, "engine", functools.cache(chart.engine.__wrapped__))
    return tmp_path / "chart"


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who really rendered: a command, or the engine."""
    found: list[str] = []
    attempt, call = Helm.attempt, Renderer.__call__

    def by_binary(self: Helm, *arguments: str, timeout: float = 60) -> HelmResult:
        found.append(self.name)
        return attempt(self, *arguments, timeout=timeout)

    def by_engine(self: Renderer, values: Values, **options: Any) -> Outcome:
        # None come with the question whether it has read the chart.
        found.extend(["engine"] if values else [])
        return call(self, values, **options)

    monkeypatch.setattr(Helm, "attempt", by_binary)
    monkeypatch.setattr(Renderer, "__call__", by_engine)
    return found


def forget() -> None:
    """What another process begins with."""
    chart._memory.clear()
    chart.state.cache_clear()
    chart.engine.cache_clear()


def data(binary: bool = False, **values: Any) -> Any:
    return chart.render(values, binary=binary).one("ConfigMap")["data"]["a"]


@pytest.mark.usefixtures("small_chart")
@pytest.mark.parametrize("binary", [False, True])
def test_equal_inputs_are_rendered_once_and_for_all_processes(runs: list[str], binary: bool) -> None:
    assert data(binary, a="x") == data(binary, a="x") == "x"
    forget()
    assert data(binary, a="x") == "x"
    assert len(runs) == 1


@pytest.mark.usefixtures("small_chart")
def test_different_inputs_are_different_renders(runs: list[str]) -> None:
    assert data(a="x") == "x"
    assert data(a="y") == "y"
    chart.render({"a": "x"}, release="other")
    chart.render({"a": "x"}, namespace="other")
    chart.render({"a": "x"}, kube_version="1.30.0")
    chart.render({"a": "x"}, helm="helm3")
    chart.render({"a": "x"}, binary=True)
    chart.render({"a": "x"}, helm="helm3", binary=True)
    assert runs == [*["engine"] * 6, "helm", "helm3"]


def test_a_changed_chart_is_rendered_again(small_chart: Path) -> None:
    assert data(a="x") == "x"
    template = small_chart / "templates" / "map.yaml"
    template.write_text(template.read_text().replace("quote", "upper | quote"))
    forget()
    assert data(a="x") == "X"


@pytest.mark.usefixtures("small_chart")
def test_a_chart_that_changes_meanwhile_is_not_remembered(small_chart: Path, runs: list[str]) -> None:
    assert data(True, a="x") == "x"
    template = small_chart / "templates" / "map.yaml"
    before = template.read_text()
    template.write_text(before.replace("quote", "upper | quote"))
    assert data(True, a="y") == "Y"
    template.write_text(before)
    forget()
    assert data(True, a="y") == "y"
    assert len(runs) == 3


def test_an_engine_that_would_read_another_chart_is_an_error(small_chart: Path) -> None:
    assert data(a="x") == "x"
    (small_chart / "values.yaml").write_text("b: 1")
    with pytest.raises(RuntimeError, match="changed since these tests began: run them again"):
        chart.render(helm="helm3")


def test_a_changed_values_file_is_rendered_again(small_chart: Path, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    for text in ("x", "z"):
        file.write_text(f"a: {text}")
        assert chart.render(None, [file]).one("ConfigMap")["data"]["a"] == text


@pytest.mark.usefixtures("small_chart")
def test_a_test_may_change_what_it_got() -> None:
    chart.render({"a": "x"})[0]["data"]["a"] = "spoilt"
    assert data(a="x") == "x"


@pytest.mark.usefixtures("small_chart")
def test_a_half_written_entry_is_rendered_again(tmp_path: Path) -> None:
    assert data(a="x") == "x"
    (entry,) = (tmp_path / "cache").rglob("*.json")
    entry.write_text('{"argv": [')
    forget()
    assert data(a="x") == "x"


def test_old_states_of_the_chart_are_forgotten(small_chart: Path, tmp_path: Path) -> None:
    for number in range(chart.KEPT_STATES + 2):
        (small_chart / "values.yaml").write_text(f"b: {number}")
        forget()
        assert data(a="x") == "x"
        folder = tmp_path / "cache" / "render" / chart.state()[0]
        os.utime(folder, (time.time() - 1000 + number,) * 2)
    assert len(list((tmp_path / "cache").glob("render/*"))) == chart.KEPT_STATES


def test_an_error_says_how_to_run_it_again(small_chart: Path) -> None:
    (small_chart / "templates" / "map.yaml").write_text('{{ fail "not like this" }}')
    with pytest.raises(HelmError) as caught:
        chart.render({"a": "x"})
    assert caught.value.values == {"a": "x"}
    assert "not like this" in caught.value.stderr
    assert "helm template demo" in str(caught.value)
    assert '"a": "x"' in str(caught.value)


def test_an_object_that_kubernetes_would_refuse_fails_the_render(small_chart: Path) -> None:
    (small_chart / "templates" / "map.yaml").write_text(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, dataa: {}}"
    )
    for _ in range(2):  # from the cache too
        with pytest.raises(InvalidObjectsError, match=r"ConfigMap/a: .*dataa"):
            chart.render()


def test_a_missing_binary_names_the_command_that_provides_it() -> None:
    with pytest.raises(FileNotFoundError, match="run `make tools`"):
        Helm("helm2").run("version")


def test_a_users_helm_settings_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELM_NAMESPACE", "elsewhere")
    monkeypatch.setenv("KUBECONFIG", "/elsewhere")
    assert "elsewhere" not in Helm().run("env").stdout


def test_values_keep_their_types(tmp_path: Path) -> None:
    values = {"a": "1.10", "b": 10**15, "c": "😀", "d": None, "e": "yes"}
    with helm.values_arguments(values, [tmp_path / "x.yaml"]) as arguments:
        assert arguments[:2] == ["--values", str(tmp_path / "x.yaml")]
        assert json.loads(Path(arguments[3]).read_text(encoding="utf-8")) == values
    assert not Path(arguments[3]).exists()


def test_both_helms_are_what_they_should_be() -> None:
    assert (Helm("helm").major, Helm("helm3").major) == (4, 3)


def test_a_renderer_that_ends_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "render"
    program.write_text("#!/bin/sh\nread -r _; echo 'panic: nil map' >&2; exit 2\n")
    program.chmod(0o755)
    monkeypatch.setattr(gobuild, "build", lambda *_: tmp_path)
    render = Renderer(tmp_path)
    # The second one finds a closed pipe.
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"exit code 2:\npanic: nil map"):
            render({})
    render.close()


def test_logs_of_init_containers_are_shown() -> None:
    status = SimpleNamespace(container_statuses=None, conditions=[], phase="Pending")
    status.init_container_statuses = [SimpleNamespace(name="wait-for-model", restart_count=0)]
    about = SimpleNamespace(name="decode-0", namespace="llm")
    pod = SimpleNamespace(metadata=about, status=status, spec=SimpleNamespace(node_name="node"))
    kube = MagicMock()
    kube.core.list_namespaced_pod.return_value.items = [pod]
    kube.core.read_namespaced_pod_log.return_value = "waiting for the marker"
    text = namespace_report(kube, "llm")
    assert "--- log of decode-0/wait-for-model (restarts: 0)\nwaiting for the marker" in text
