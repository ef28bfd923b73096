"""Which template includes which: the library knows nothing of its users, no files need each other, nothing is dead."""

import graphlib
import re
from pathlib import Path

from hack.base.paths import ROOT

COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)
DEFINE = re.compile(r'define "([^"]+)"')
# include "a.b", or a name from a list of names or a table.
LITERAL = re.compile(r'(?<!define )"([^"\n]+)"|\bas: ([a-z][\w.-]+)')
# include (printf "a.%s.b" $x): a contract with one define for each x.
DISPATCH = re.compile(r'include \(printf "([^"]+)"')

FOLDERS = [ROOT / "templates", *sorted(ROOT.glob("charts/*/templates"))]
CODE: dict[Path, str] = {
    file.relative_to(ROOT): COMMENT.sub("", file.read_text())
    for folder in FOLDERS
    for file in sorted(folder.rglob("*"))
    if file.is_file()
}
HOME = {name: file for file, text in CODE.items() for name in DEFINE.findall(text)}


def included(text: str) -> set[str]:
    """The defines that a template may include."""
    patterns = [re.escape(pattern).replace("%s", r"[^.]+(?:\.[0-9]+)*") for pattern in DISPATCH.findall(text)]
    by_contract = {name for name in HOME for pattern in patterns if re.fullmatch(pattern, name)}
    return by_contract | ({name for names in LITERAL.findall(text) for name in names} & HOME.keys())


def test_the_library_renders_and_does_not_judge() -> None:
    for file, text in CODE.items():
        if file.parts[:2] == ("charts", "common"):
            foreign = {name for name in included(text) if HOME[name].parts[:2] != ("charts", "common")}
            assert foreign == set(), f"{file} includes {foreign}"


def test_only_the_root_knows_the_rules() -> None:
    for file, text in CODE.items():
        if file.parts[0] == "charts":
            assert not [name for name in included(text) if name.startswith("dynamo-disagg.validate.")], file


def test_no_files_need_each_other() -> None:
    graph = {file: {HOME[name] for name in included(text)} - {file} for file, text in CODE.items()}
    # CycleError, with the files of a circle, where there is one.
    graphlib.TopologicalSorter(graph).prepare()


def test_every_define_is_used() -> None:
    used = {name for text in CODE.values() for name in included(text)}
    assert HOME.keys() - used == set()
