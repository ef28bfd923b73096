"""hack/engine_flags.py: what it reads out of a program's source, and what it does where it cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml

from hack import engine_flags
from hack.flagreader import Flag, read
from hack.log import UserError
from hack.pysource import Packages

Reader = Callable[..., dict[str, Flag]]

DYNAMO_UTILS = """
import argparse
def add_argument(parser, *, flag_name, env_var, default, help, obsolete_flag=None, arg_type=str, **kwargs):
    parser.add_argument(flag_name, **kwargs)
def add_negatable_bool_argument(parser, *, flag_name, env_var, default, help, obsolete_flag=None):
    add_argument(parser, flag_name=flag_name, env_var=env_var, default=default, help=help)
"""


@pytest.fixture
def flags(tmp_path: Path) -> Reader:
    """Flags by name of the function `parse` of module `p.args`, beside other modules of package p."""

    def reader(args: str, **modules: str) -> dict[str, Flag]:
        (tmp_path / "p").mkdir()
        for name, text in {"__init__": "", "args": args, **modules}.items():
            (tmp_path / "p" / f"{name}.py").write_text(text)
        reading = read(Packages([tmp_path]), "p.args", "parse")
        assert not reading.unreadable
        return {flag.name: flag for flag in reading.flags}

    return reader


def test_forms_and_types(flags: Reader) -> None:
    found = flags("""
import argparse, json
from pathlib import Path
def parse():
    parser = argparse.ArgumentParser()
    g = parser.add_argument_group("g")
    g.add_argument("--text")
    g.add_argument("-s", "--short", "--other", type=int)
    g.add_argument("--on", action="store_true")
    g.add_argument("--both", action=argparse.BooleanOptionalAction)
    g.add_argument("--many", nargs="+", type=float)
    g.add_argument("--again", action="append")
    g.add_argument("--maybe", nargs="?", const="x")
    g.add_argument("--map", type=json.loads)
    g.add_argument("--file", type=Path)
    g.add_argument("--own", type=lambda s: s, choices=["a"])
    g.add_argument("--version", action="version", version="1")
    parser.add_argument("positional")
""")
    assert {name: (f.form, f.type) for name, f in found.items()} == {
        "text": ("value", "text"),
        "short": ("value", "int"),
        "on": ("switch", "text"),
        "both": ("bool", "text"),
        "many": ("list", "float"),
        "again": ("repeat", "text"),
        "maybe": ("optional", "text"),
        "map": ("value", "json"),
        "file": ("value", ""),
        "own": ("value", ""),
    }
    assert found["short"].names == ["--short", "--other", "-s"]


def test_what_is_not_known_is_left_open(flags: Reader) -> None:
    found = flags("""
import argparse
from elsewhere import names, kind
LIST = ["a"]
LIST.append(names[0])
def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--a", choices=names())
    parser.add_argument("--b", choices=["x"] + names())
    parser.add_argument("--c", type=kind)
    parser.add_argument("--d", choices=LIST)
    parser.add_argument("--e", type=lambda s: s.lower(), choices=["x"])
""")
    assert [found[n].choices for n in "abd"] == [None, None, None]
    assert found["c"].type == ""
    # The type changes the value before it is compared: other spellings may be accepted.
    assert engine_flags.schema_of(found["e"]) == {"$ref": "engines/types.yaml#/value"}


def test_choices_are_followed_through_modules(flags: Reader) -> None:
    found = flags(
        """
import argparse
from p import kinds
from p.kinds import Mode, NAMES as names
def choices():
    from p.kinds import MORE
    return list(MORE)
def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=["pd"] + [m.value for m in Mode if m != Mode.B])
    parser.add_argument("--name", choices=names)
    parser.add_argument("--more", choices=["x", *choices()])
    parser.add_argument("--attribute", choices=kinds.Backend.ALL)
""",
        kinds="""
from enum import Enum
class Mode(Enum):
    A = "a"
    B = "b"
NAMES = ("n", "m")
MORE = ["y"]
class Backend:
    FULL = "full"
    ALL = (FULL, "none")
""",
    )
    assert {n: f.choices for n, f in found.items()} == {
        "mode": ["pd", "a"],
        "name": ["n", "m"],
        "more": ["x", "y"],
        "attribute": ["full", "none"],
    }


def test_calls_that_hand_on_the_parser(flags: Reader) -> None:
    found = flags(
        """
import argparse
from p.groups import Group, more
from p.utils import add_argument, add_negatable_bool_argument
def parse():
    parser = argparse.ArgumentParser()
    Group(frontend=False).add_arguments(parser)
    more(parser, prefix="x")
    for name, new in (("--old", "--new"),):
        add_argument(parser, flag_name=name, env_var="A", default=1, arg_type=int, help=f"Deprecated: use {new}.")
    add_negatable_bool_argument(parser, flag_name="--b", env_var="B", default=False, help="", obsolete_flag="--c")
""",
        utils=DYNAMO_UTILS,
        groups="""
class Group:
    def __init__(self, *, frontend):
        self.frontend = frontend
    def add_arguments(self, parser):
        g = parser.add_argument_group("g")
        if self.frontend:
            g.add_argument("--frontend-only")
        self._rest(g)
    def _rest(self, g):
        g.add_argument("--rest")
def more(p, *, prefix):
    p.add_argument(f"--{prefix}-more")
""",
    )
    assert list(found) == ["rest", "x-more", "old", "b"]
    assert found["old"].type == "int"
    assert found["old"].deprecated
    assert (found["b"].form, found["b"].names) == ("bool", ["--b", "--c"])


def test_vllm_config_classes(flags: Reader) -> None:
    found = flags(
        """
import argparse
from p.config import get_kwargs, Config, Inner
def parse():
    parser = argparse.ArgumentParser()
    kwargs = get_kwargs(Config)
    for name in ["dtype", "sizes", "inner", "flag", "util", "plain", "maybe", "word", "both", "table", "unclear"]:
        parser.add_argument(f"--{name}", **kwargs[name])
    parser.add_argument("--renamed", **{**kwargs["plain"], "default": None})
    parser.add_argument("--single", **get_kwargs(Config)["plain"])
""",
        config='''
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from pydantic import Field
from elsewhere import Strange
Short = Literal["auto", "half"]
DType = Literal[Short, "float"]
class Table(dict[str, int]): ...
@dataclass
class Inner:
    a: int = 1
@dataclass
class Config:
    dtype: DType = "auto"
    """The type of it. More."""
    sizes: list[int] | None = None
    inner: Inner | None = None
    flag: bool = False
    util: float = Field(default=0.9, gt=0, le=1)
    plain: "int" = 1
    maybe: Annotated[int, 1] | None = None
    word: DType | str = "auto"
    both: bool | str | None = None
    table: Table = None
    unclear: Short | unknown_name = 1
def get_kwargs(cls): ...
''',
    )
    assert {n: (f.form, f.type, f.nullable) for n, f in found.items()} == {
        "dtype": ("value", "text", False),
        "sizes": ("list", "int", True),
        "inner": ("value", "json", True),
        "flag": ("bool", "text", False),
        "util": ("value", "float", False),
        "plain": ("value", "int", False),
        "maybe": ("value", "int", True),
        "word": ("value", "text", False),
        "both": ("optional", "text", False),
        "table": ("value", "json", False),
        "unclear": ("value", "", False),
        "renamed": ("value", "int", False),
        "single": ("value", "int", False),
    }
    assert found["dtype"].choices == ["auto", "float", "half"]
    assert found["word"].choices is None
    assert found["util"].bounds == {"exclusiveMinimum": 0, "maximum": 1}
    assert engine_flags.schema_of(found["dtype"])["description"] == "The type of it."


def test_sglang_fields(flags: Reader) -> None:
    found = flags(
        """
import argparse
from typing import List, Literal, Optional
from p.utils import A, Arg, add_cli_args_from_dataclass
CHOICES = ["x", "y"]
class Part:
    size: A[int, "A size."] = 1
    listed: A[Optional[List[int]], "Some."] = None
    backend: A[Optional[str], Arg(help="One.", choices=CHOICES, aliases=["--other"])] = None
    renamed: A[str, Arg(help="", cli_name="--new-name")] = ""
    mode: A[Literal["a", "b"], "A mode."] = "a"
    on: A[bool, "On."] = False
    hidden: A[int, Arg(help="", no_cli=True)] = 1
    bare: int = 1
_INPUT_NAMESPACES = [Part]
class ServerArgs: ...
class DeprecatedAction(argparse.Action):
    def __init__(self, option_strings, dest, error_message=None, nargs=0, **kwargs): ...
def parse():
    parser = argparse.ArgumentParser()
    add_cli_args_from_dataclass(parser, ServerArgs)
    parser.add_argument("--gone", action=DeprecatedAction, error_message="Use --size.")
""",
        utils="A = Arg = None\ndef add_cli_args_from_dataclass(parser, cls): ...",
    )
    assert {n: (f.form, f.type, f.choices) for n, f in found.items()} == {
        "size": ("value", "int", None),
        "listed": ("list", "int", None),
        "backend": ("value", "text", ["x", "y"]),
        "new-name": ("value", "text", None),
        "mode": ("value", "text", ["a", "b"]),
        "on": ("switch", "text", None),
        "gone": ("switch", "text", None),
    }
    assert found["backend"].names == ["--backend", "--other"]
    assert found["gone"].refused == "Use --size."


def test_a_name_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        "import argparse, os\ndef parse():\n p = argparse.ArgumentParser()\n p.add_argument(os.environ['X'])\n"
    )
    assert read(Packages([tmp_path]), "m", "parse").unreadable == ["m:4"]


def test_a_function_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("")
    with pytest.raises(UserError, match="m has no function parse"):
        read(Packages([tmp_path]), "m", "parse")


# The command, on small packages in place of the real ones


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Serve a dynamo.trtllm of our own, with the flags of each version."""
    monkeypatch.setattr(engine_flags, "SCHEMAS", tmp_path / "schemas")
    monkeypatch.setattr(engine_flags, "TEMPLATES", tmp_path / "flags")
    monkeypatch.setattr(engine_flags, "ADVICE", tmp_path / "removed.yaml")
    monkeypatch.setattr(engine_flags, "parser_names", lambda _: {})
    (tmp_path / "removed.yaml").write_text("trtllm: {gone: use here}\n")

    def serve(**versions: list[str]) -> None:
        for version, names in versions.items():
            with ZipFile(tmp_path / f"ai-dynamo-{version}.zip", "w") as content:
                lines = "".join(f"    parser.add_argument('--{name}', type=int, help='Of {name}.')\n" for name in names)
                text = f"import argparse\ndef parse_args():\n    parser = argparse.ArgumentParser()\n{lines}"
                content.writestr("dynamo/trtllm/args.py", text)
                content.writestr("x.dist-info/METADATA", f"Requires-Dist: tensorrt-llm=={version}.9; extra == 'trtllm'")

    def sources(package: str, version: str) -> Path:
        return tmp_path / f"{package}-{version}.zip"

    monkeypatch.setattr(engine_flags, "sources", sources)
    engine_flags.pins.cache_clear()
    return serve


def generate(*arguments: str) -> int:
    return engine_flags.run(["generate", "--engine", "trtllm", *arguments])


def test_files_are_written(packages: Callable[..., None], tmp_path: Path) -> None:
    packages(v1=["here", "gone", "also-gone"], v2=["here", "new"])
    assert generate("--dynamo", "v2", "--earlier", "v1") == 0
    content: dict[str, Any] = yaml.safe_load((tmp_path / "schemas" / "trtllm.yaml").read_text())
    assert content["version"]["enum"] == ["", "v2.9", "unchecked"]
    assert content["flags"]["properties"]["new"] == {"$ref": "engines/types.yaml#/integer", "description": "Of new."}
    known = engine_flags.written("trtllm")
    assert known["flags"].items() >= {"here": "value", "new": "value"}.items()
    assert known["removed"] == {"gone": ["Dynamo v1", "use here"], "also-gone": ["Dynamo v1", ""]}
    assert json.dumps(known).count("v2.9") == 2


def test_a_dry_run_only_says_what_changes(
    packages: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packages(v1=["here", "old"], v2=["here", "new"])
    generate("--dynamo", "v1", "--earlier")
    before = (tmp_path / "flags" / "_trtllm.tpl").read_text()
    generate("--dynamo", "v2", "--earlier", "v1", "--dry-run")
    assert (tmp_path / "flags" / "_trtllm.tpl").read_text() == before
    output = capsys.readouterr().out
    assert "trtllm: + new (value)" in output
    assert "trtllm: - old" in output


def test_advice_for_a_flag_that_came_back(packages: Callable[..., None]) -> None:
    packages(v1=["gone"])
    with pytest.raises(UserError, match=r"removed.yaml: trtllm: gone: v1 has it; remove the line"):
        generate("--dynamo", "v1", "--earlier")


def test_an_engine_that_is_not_pinned(packages: Callable[..., None]) -> None:
    packages(v1=["a"])
    with pytest.raises(UserError, match="Dynamo v1 pins no vllm: give --version"):
        engine_flags.run(["generate", "--engine", "vllm", "--dynamo", "v1"])


def test_a_version_for_all_engines_at_once() -> None:
    with pytest.raises(UserError, match="--version needs --engine"):
        engine_flags.run(["generate", "--version", "1.0"])


def test_a_version_that_does_not_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(UserError, match=r"vllm 0\.0\.99 could not be fetched: .*vllm==0\.0\.99"):
        engine_flags.wheel("vllm", "0.0.99", tmp_path)
