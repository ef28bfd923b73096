"""The rooms of hack, and what each may import. What stands above is never imported from below."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.base.paths import ROOT

# From the ground up: a room imports itself and rooms of earlier floors only.
FLOORS = (
    {"base", "data"},
    {"tools"},
    {"flags", "schema", "monitoring"},
    {"chart", "containers"},
    {"benchmark", "cluster", "release", "docs", "convert"},
    {"kwok", "reliability"},
    {"verbs"},
    {"__main__"},
)
FILES = sorted((ROOT / "hack").rglob("*.py"))
# Rendering and reading take no cluster, and must not wait for its client.
WITHOUT_A_CLUSTER = ("chart", "schema", "flags", "docs", "convert")
CLIENTS = {"kubernetes", "requests", "urllib3"}


def imports(file: Path) -> Iterator[str]:
    """Modules that a file imports, also inside its functions: hack.base.log, yaml, ..."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{file}: a relative import"
            # `from hack import x` and `from hack.x import y` both name the room x.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(file: Path) -> str:
    return file.relative_to(ROOT / "hack").parts[0].removesuffix(".py")


def floor(name: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if name in rooms)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_room_imports_downwards(file: Path) -> None:
    if file == ROOT / "hack" / "__init__.py":
        assert list(imports(file)) == []
        return
    rooms = {name.split(".")[1] for name in imports(file) if name.startswith("hack.")}
    assert {name for name in rooms - {room(file)} if floor(name) >= floor(room(file))} == set()


def test_hack_imports_no_tests() -> None:
    assert [f for f in FILES if any(name.split(".")[0] == "tests" for name in imports(f))] == []


def test_nothing_that_reads_the_chart_reaches_for_a_cluster() -> None:
    found = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in FILES
        if room(file) in WITHOUT_A_CLUSTER
        for name in imports(file)
        if name.split(".")[0] in CLIENTS or name.startswith(("hack.cluster", "hack.kwok"))
    }
    assert found == set()


def test_only_verbs_join_the_cluster_and_the_release() -> None:
    pair = {"cluster", "release"}
    both = [
        file
        for file in FILES
        if room(file) != "verbs"
        and pair <= {room(file)} | {name.split(".")[1] for name in imports(file) if name.startswith("hack.")}
    ]
    assert both == []


def test_modules_form_no_circle() -> None:
    known = {".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f for f in FILES}
    waiting = {
        name: {target for i in imports(file) for target in (i, i.rpartition(".")[0]) if target in known} - {name}
        for name, file in known.items()
    }
    while free := {name for name, targets in waiting.items() if not targets & waiting.keys()}:
        waiting = {name: targets for name, targets in waiting.items() if name not in free}
    assert waiting == {}


def test_no_file_changes_the_path_of_modules() -> None:
    others = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "files").rglob("*.py")]
    assert [file for file in [*FILES, *others] if "sys." + "path" in file.read_text()] == []


@pytest.mark.parametrize(
    ("call", "places"),
    [
        (r"\btime\.sleep\(", {"base/wait.py"}),
        (r"\bsubprocess\.run\(", {"base/process.py"}),
        (r"\bsubprocess\.Popen\(", {"base/process.py", "base/step.py", "chart/renderer.py"}),
        (r"\byaml\.(safe_)?load(_all)?\(", {"base/yamlfile.py"}),
        (r"TOOLS_BIN / \"kubectl\"", {"cluster/kube.py"}),
        (r"new_client_from_config\(", {"cluster/kube.py"}),
    ],
)
def test_each_chore_has_one_place(call: str, places: set[str]) -> None:
    """hack/data holds programs that run elsewhere."""
    mine = {str(file.relative_to(ROOT / "hack")): file.read_text() for file in FILES if room(file) != "data"}
    assert {name for name, text in mine.items() if re.search(call, text)} == places
