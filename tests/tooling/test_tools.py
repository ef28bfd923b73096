"""The pinned tools: finding them on PATH, building them once, and what is said when neither works."""

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from hack.base.log import UserError
from hack.base.versions import Tool, tools, versions
from hack.tools import gobuild, pinned

Executable = Callable[[str, str], Path]


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of .tools/bin; it does not exist yet."""
    monkeypatch.setattr(pinned, "TOOLS_BIN", tmp_path / "bin")
    return tmp_path / "bin"


@pytest.fixture
def executable(tmp_path: Path, bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Executable:
    """Make shell scripts that alone are on PATH; the cache and .tools/bin are empty."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def make(name: str, body: str) -> Path:
        file = folder / name
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(0o755)
        return file

    return make


@pytest.fixture
def helm() -> Tool:
    return tools()["helm"]


@pytest.mark.parametrize(
    ("body", "version"),
    [
        ("echo v4.2.4", "4.2.4"),
        ("echo 0.33.0", "0.33.0"),
        ("echo 'kwok version 0.8.0 (go1.26.0)'", "0.8.0"),
        ("echo 'Client Version: v1.36.4'; echo 'Kustomize Version: v5.8.1'", "1.36.4"),
        ("echo v4.2.4+g1a2b3c4", "4.2.4"),
        ("echo v4.2.4-rc.1", "4.2.4-rc.1"),
        ("echo Client Version: v1.32.4-dispatcher", "1.32.4-dispatcher"),
        ("echo unknown", None),
        ("echo v4.2.4; exit 1", None),
    ],
)
def test_version_is_read_from_what_a_tool_prints(
    executable: Executable, helm: Tool, body: str, version: str | None
) -> None:
    assert pinned.reported_version(executable("helm", body), helm) == version


def test_a_tool_that_hangs_has_no_version(executable: Executable, helm: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinned, "VERSION_TIMEOUT_SECONDS", 0.2)
    assert pinned.reported_version(executable("helm", "while :; do :; done"), helm) is None


def test_the_right_version_on_path_is_linked(bin_folder: Path, executable: Executable, helm: Tool) -> None:
    found = executable("helm", "echo v4.2.4")
    assert pinned.provide(helm) == f"from PATH ({found})"
    assert (bin_folder / "helm").resolve() == found
    assert pinned.provide(helm) == "ready"


def test_helm3_is_also_found_under_the_name_helm(executable: Executable) -> None:
    found = executable("helm", "echo v3.21.4")
    assert pinned.find_on_path(tools()["helm3"]) == found
    assert pinned.find_on_path(tools()["helm"]) is None


def test_a_link_of_another_version_is_replaced(bin_folder: Path, executable: Executable, helm: Tool) -> None:
    old = executable("old-helm", "echo v4.1.0")
    bin_folder.mkdir()
    (bin_folder / "helm").symlink_to(old)
    found = executable("helm", "echo v4.2.4")
    pinned.provide(helm)
    assert (bin_folder / "helm").resolve() == found


def test_without_go_the_message_says_what_to_install(bin_folder: Path, executable: Executable, helm: Tool) -> None:
    executable("helm", "echo v4.1.0")
    with pytest.raises(UserError, match=r"(?s)helm: cannot build helm\.sh.*Go is not installed.*go\.dev/doc/install"):
        pinned.provide(helm)
    assert not bin_folder.exists()


def test_a_cached_build_needs_no_go(bin_folder: Path, executable: Executable, helm: Tool) -> None:
    cached = pinned.built_path(helm)
    cached.parent.mkdir(parents=True)
    executable("built", "echo v4.2.4").rename(cached)
    assert pinned.provide(helm) == "cached build"
    assert (bin_folder / "helm").resolve() == cached


FAKE_GO = """
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
echo '#!/bin/sh' > "$out/helm"
echo 'echo {version}' >> "$out/helm"
/bin/chmod 755 "$out/helm"
"""


def test_a_tool_is_built_once(bin_folder: Path, executable: Executable, helm: Tool) -> None:
    go = executable("go", FAKE_GO.replace("{version}", "v4.2.4"))
    assert pinned.provide(helm) == "built"
    go.unlink()
    (bin_folder / "helm").unlink()
    assert pinned.provide(helm) == "cached build"


def test_a_build_that_reports_another_version_is_refused(bin_folder: Path, executable: Executable, helm: Tool) -> None:
    executable("go", FAKE_GO.replace("{version}", "v4.0.0"))
    with pytest.raises(UserError, match=r"reports version 4\.0\.0, hack/data/versions\.yaml wants 4\.2\.4"):
        pinned.provide(helm)
    assert not bin_folder.exists()


def test_a_failed_build_shows_its_output_and_leaves_nothing(executable: Executable, helm: Tool) -> None:
    executable("go", "echo 'go.mod requires go >= 1.26.0'; exit 1")
    with pytest.raises(UserError, match=r"go\.mod requires go >= 1\.26\.0"):
        pinned.provide(helm)
    left = gobuild.build_dir(helm.module, [helm.package], helm.ldflags).parent.iterdir()
    assert [path for path in left if path.suffix != ".lock"] == []


def test_the_key_of_a_build_follows_its_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "go" / "some"
    module.mkdir(parents=True)
    (module / "go.mod").write_text("module some")
    monkeypatch.setattr(gobuild, "GO_MODULES", tmp_path / "go")
    first = gobuild.build_dir("some", ["a/b"], "-X v=1")
    assert gobuild.build_dir("some", ["a/b"], "-X v=1") == first
    assert gobuild.build_dir("some", ["a/b"], "-X v=2") != first
    assert gobuild.build_dir("some", ["a/c"], "-X v=1") != first
    assert gobuild.build_dir("some", ["a/b"], "-X v=1", {"b": "b"}) == first
    assert gobuild.build_dir("some", ["a/b"], "-X v=1", {"b": "c"}) != first
    (module / "go.sum").write_text("sum")
    assert gobuild.build_dir("some", ["a/b"], "-X v=1") != first


def test_the_key_of_a_build_follows_what_changes_its_sources(tmp_path: Path) -> None:
    file = tmp_path / "change.py"

    def key(text: str) -> Path:
        file.write_text(text)
        return gobuild.build_dir("keda", ["./cmd/operator"], changed=runpy.run_path(str(file))["sources"])

    first = key("def sources(folder): pass\n")
    assert key("def sources(folder): pass\n") == first
    assert key("def sources(folder): print(folder)\n") != first
    assert gobuild.build_dir("keda", ["./cmd/operator"]) != first


def test_an_unknown_tool_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r'unknown tool "hlem": choose from helm, helm3, kubectl, kind'):
        pinned.ensure(["hlem"])


@pytest.mark.parametrize("tool", tools().values(), ids=lambda tool: tool.name)
def test_the_go_module_pins_the_version_of_the_versions_file(tool: Tool) -> None:
    module = (gobuild.GO_MODULES / tool.module / "go.mod").read_text()
    required = dict(re.findall(r"^\s*(?:require )?(\S+) (v\S+)", module, re.MULTILINE))
    owner = max((name for name in required if tool.package.startswith(name)), key=len)
    assert required[owner] == f"v{tool.version}"
    assert owner in (gobuild.GO_MODULES / tool.module / "go.sum").read_text()
    for stamped in re.findall(r"\w*[vV]ersion=v([\d.]+)", tool.ldflags):
        assert stamped == tool.version


def test_tests_render_with_the_engines_of_the_pinned_helms() -> None:
    module = (gobuild.GO_MODULES / "render" / "go.mod").read_text()
    for name in ("helm", "helm3"):
        version = tools()[name].version
        assert f"helm.sh/helm/v{version[0]} v{version}\n" in module


def test_kubernetes_has_one_version() -> None:
    assert tools()["kubectl"].version == versions()["kubernetes"]["version"]


def test_a_module_that_cannot_be_had_is_one_clear_message(executable: Executable) -> None:
    with pytest.raises(UserError, match=r"cannot get the Go module sigs.k8s\.io/lws: Go is not installed"):
        gobuild.source("lws", "sigs.k8s.io/lws")
    executable("go", "echo no such host >&2; exit 1")
    with pytest.raises(UserError, match=r"cannot get the Go module sigs.k8s\.io/lws: no such host"):
        gobuild.source("lws", "sigs.k8s.io/lws")
