"""hack/flags/generate.py and its reader: what they learn from a program's parsers, and what they write."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hack.base.log import UserError
from hack.base.yamlfile import read_yaml
from hack.flags import files as flagfiles
from hack.flags import generate as engine_flags
from hack.flags import reader as flagreader
from hack.flags.files import schema_of
from hack.flags.programs import PROGRAMS, Flag
from hack.verbs import flags

Serve = Callable[..., None]

ARGS = """
import argparse
from dynamo.common.groups import parse_worker_router_config, register
def parse_args(argv):
    parser = argparse.ArgumentParser()
    register(parser)
    return parser.parse_known_args(argv), parse_worker_router_config(argv)
"""
# What real ones do with packages that need a GPU.
GROUPS = """
import argparse
import torch
from torch.nn import Module
from tensorrt_llm import CHOICES, missing
assert torch.cuda.is_available() and not torch.xpu.is_available()
@torch.compile
def helper(x: "torch.Tensor | None" = None) -> torch.Tensor | None: ...
class Layer(Module, frozen=True):
    kind: torch.dtype = torch.float16
def register(parser):
    {}
    parser.add_argument("--dtype", choices=CHOICES)
    missing(parser)
def parse_worker_router_config(argv):
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--router-mode")
    return parser.parse_known_args(argv)
"""


def described(*names: str, **keywords: Any) -> Flag:
    """A flag as the reader describes it that is registered with these arguments."""
    return Flag(**flagreader.described(argparse.ArgumentParser().add_argument(*names, **keywords)))


@pytest.mark.parametrize(
    ("keywords", "form", "kind"),
    [
        ({}, "value", "text"),
        ({"type": int}, "value", "int"),
        ({"type": Path}, "value", ""),
        ({"type": json.loads}, "value", "json"),
        ({"type": lambda text: text, "choices": ["a"]}, "value", ""),
        ({"action": "store_true"}, "switch", "text"),
        ({"action": argparse.BooleanOptionalAction}, "bool", "text"),
        ({"action": "append"}, "repeat", "text"),
        ({"action": "extend", "nargs": "*"}, "list", "text"),
        ({"nargs": "+", "type": float}, "list", "float"),
        ({"nargs": 2}, "list", "text"),
        ({"nargs": "?", "const": "x"}, "optional", "text"),
    ],
)
def test_forms_and_types(keywords: dict[str, Any], form: str, kind: str) -> None:
    flag = described("--flag", **keywords)
    assert (flag.form, flag.type) == (form, kind)


def test_names() -> None:
    flag = described("-s", "--short", "--other", action=argparse.BooleanOptionalAction)
    assert flag.names == ["--short", "--other", "-s"]
    assert flag.long_names == ["short", "other"]


def test_a_wrapped_type() -> None:
    def parse_type(return_type: Any) -> Any:
        def _parse_type(text: str) -> Any:
            return return_type(text)

        return _parse_type

    def optional_type(return_type: Any) -> Any:
        def _optional_type(text: str) -> Any:
            return return_type(text) if text else None

        return _optional_type

    flag = described("--map", type=optional_type(parse_type(json.loads)))
    assert (flag.type, flag.nullable) == ("json", True)


def test_a_flag_that_only_says_what_to_use() -> None:
    class DeprecatedAction(argparse.Action):
        def __init__(self, option_strings: Any, dest: str, error_message: str) -> None:
            self.error_message = error_message
            super().__init__(option_strings, dest, nargs=0)

    flag = described("--gone", action=DeprecatedAction, error_message="Use --size.")
    assert (flag.form, flag.refused) == ("switch", "Use --size.")


def test_schemas() -> None:
    number = Flag(["--share"], "value", "float", "A share. More.", bounds={"minimum": 0, "maximum": 1})
    assert schema_of(number) == {
        "$ref": "engines/types.yaml#/number",
        "minimum": 0,
        "maximum": 1,
        "description": "A share.",
    }
    sizes = Flag(["--size"], "value", "int", "", choices=[16, 8], nullable=True)
    assert schema_of(sizes) == {"enum": [8, 16, "8", "16", "None", None]}
    # The type changes the value before it is compared: other spellings may be accepted.
    unknown = Flag(["--own"], "value", "", "Deprecated: use --size.", choices=["a"])
    assert schema_of(unknown)["$ref"] == "engines/types.yaml#/value"
    assert schema_of(unknown)["deprecated"]


# The command, on a small dynamo.trtllm of our own


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Serve a version of Dynamo whose program has these flags."""
    (tmp_path / "removed.yaml").write_text("# By hand.\n\ntrtllm:\n  old: {had: Dynamo v0, instead: use here}\n")
    monkeypatch.setattr(flagfiles, "SCHEMAS", tmp_path)
    monkeypatch.setattr(flagfiles, "REMOVED", tmp_path / "removed.yaml")

    def serve(*flags: str, args: str = ARGS) -> None:
        lines = "".join(f"parser.add_argument('--{name}', type=int, help='Of {name}.'); " for name in flags)

        def unpack(package: str, version: str, folder: Path) -> None:
            pin = f"Requires-Dist: tensorrt-llm=={version}.9; extra == 'trtllm'"
            texts = {
                "dynamo/trtllm/args.py": args,
                "dynamo/common/groups.py": GROUPS.format(lines),
                "tensorrt_llm/__init__.py": "CHOICES = ['a', 'b']\nraise OSError",
                "ai_dynamo-1.dist-info/METADATA": pin,
            }
            for name, text in texts.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text)

        monkeypatch.setattr(engine_flags, "unpack", unpack)

    return serve


def generate(*arguments: str) -> dict[str, Any]:
    """Run the command; returns what is written then."""
    flags.command.main(["generate", "--engine", "trtllm", *arguments], standalone_mode=False)
    return flagfiles.written("trtllm")


def test_files_are_written(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve("here", "new")
    known = generate("--dynamo", "2.0.0")
    assert known["label"] == "dynamo.trtllm 2.0.0 (TensorRT-LLM 2.0.0.9)"
    added = {"trtllm": "dotted", "publish-events-and-metrics": "bool"}
    assert known["flags"] == {"dtype": "value", "here": "value", "new": "value", "router-mode": "router", **added}
    properties = read_yaml(tmp_path / "2.0.0" / "trtllm.yaml")["flags"]["properties"]
    assert properties["new"] == {"$ref": "engines/types.yaml#/integer", "description": "Of new."}
    # The package's import failed after it had named them.
    assert properties["dtype"] == {"enum": ["a", "b", None]}
    monkeypatch.setattr(flagfiles, "PROGRAMS", {"trtllm": PROGRAMS["trtllm"]})
    texts = {
        file.name: text.partition("-}}\n")[2].rpartition("\n{{-")[0] for file, text in flagfiles.templates().items()
    }
    assert json.loads(texts["_trtllm-2.0.0.tpl"]) == known
    assert json.loads(texts["_versions.tpl"]) == {"dynamo": ["2.0.0"], "engines": {"trtllm": {"2.0.0.9": "2.0.0"}}}


def test_what_is_gone_is_remembered(serve: Serve, tmp_path: Path) -> None:
    serve("here", "gone")
    generate("--dynamo", "1.0.0")
    serve("here", "old")
    known = generate("--dynamo", "2.0.0")
    assert known["removed"] == {"gone": ["dynamo.trtllm 1.0.0 (TensorRT-LLM 1.0.0.9)", ""]}
    assert (tmp_path / "removed.yaml").read_text().startswith("# By hand.\n\ntrtllm:\n  gone: {had: ")
    serve("here", "gone")
    assert set(generate("--dynamo", "3.0.0")["removed"]) == {"old"}


def test_an_older_version_is_learned_later(serve: Serve) -> None:
    serve("here", "new")
    generate("--dynamo", "2.0.0")
    serve("here", "former")
    known = generate("--dynamo", "1.0.0")
    assert known["flags"].keys() >= {"here", "new"}, "the newest is the default"
    assert known["removed"]["former"] == ["dynamo.trtllm 1.0.0 (TensorRT-LLM 1.0.0.9)", ""]
    before = flagfiles.written("trtllm", "1.0.0")
    assert "former" in before["flags"]
    assert not {"former", "new"} & before["removed"].keys()


def test_a_dry_run_only_says_what_changes(serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serve("here", "old")
    generate("--dynamo", "1.0.0")
    before = {file: file.read_text() for file in tmp_path.rglob("*.yaml")}
    serve("here", "new")
    generate("--dynamo", "2.0.0", "--dry-run")
    assert {file: file.read_text() for file in tmp_path.rglob("*.yaml")} == before
    output = capsys.readouterr().out
    assert "trtllm: + new (value)" in output
    assert "trtllm: - old" in output


def test_a_program_that_is_built_differently(serve: Serve) -> None:
    serve("here", args=ARGS.replace(", parse_worker_router_config(argv)", ""))
    with pytest.raises(UserError, match=r"dynamo.trtllm.args asks other parsers .* found parse_args \(2 flags\)"):
        generate("--dynamo", "1.0.0")


def test_a_program_that_cannot_be_imported(serve: Serve) -> None:
    serve("here", args="import dynamo.no_such")
    with pytest.raises(UserError, match=r"found none; its last words: .*No module named 'dynamo.no_such'"):
        generate("--dynamo", "1.0.0")


def test_an_engine_that_is_not_pinned(serve: Serve) -> None:
    serve("here")
    with pytest.raises(UserError, match=r"Dynamo 1\.0\.0 pins no vllm: give --version"):
        flags.command.main(["generate", "--engine", "vllm", "--dynamo", "1.0.0"], standalone_mode=False)


def test_a_version_for_all_engines_at_once() -> None:
    with pytest.raises(UserError, match="--version needs --engine"):
        flags.command.main(["generate", "--version", "1.0"], standalone_mode=False)


def test_a_version_that_does_not_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(UserError, match=r"vllm 0\.0\.99 could not be fetched: .*vllm==0\.0\.99"):
        engine_flags.wheel("vllm", "0.0.99", tmp_path)
