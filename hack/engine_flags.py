"""Generate what the chart knows about the flags of the engines and of Dynamo's frontend, from their packages.

For each program two files are written. schemas/engines/<program>.yaml holds types and choices; it becomes part
of values.schema.json. charts/common/templates/flags/_<program>.tpl holds the names, how each is written on a
command line, and the names that earlier versions had; common.validate and common.programArgs read it.

A Dynamo version decides which engine version it is: its package pins one. The packages are fetched with pip and
only read, never imported or installed, except for the list of parsers that is in Dynamo's native library.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import yaml
from rich.table import Table

from hack.flagreader import Flag, Reading, read
from hack.log import UserError, console, main
from hack.paths import ROOT, cache_dir
from hack.progress import Step
from hack.pysource import Packages
from hack.versions import versions

SCHEMAS = ROOT / "schemas" / "engines"
TEMPLATES = ROOT / "charts" / "common" / "templates" / "flags"
ADVICE = SCHEMAS / "removed.yaml"
DYNAMO = "ai-dynamo"
RUNTIME = "ai-dynamo-runtime"
DESCRIPTION_LENGTH = 90
LINE_LENGTH = 200
# What Dynamo's images have; a wheel for them is fetched whatever machine this runs on.
PYTHON_VERSION = "312"
PLATFORMS = ("2_35", "2_34", "2_31", "2_28", "2_17")
OLD_PLATFORMS = ("manylinux2014_x86_64", "manylinux1_x86_64")


@dataclass(frozen=True)
class Program:
    """A program whose flags are known to the chart."""

    name: str
    product: str
    # Its engine's package, if the flags are read from it too
    package: str
    module: str
    # Functions that build its parser, newest first: later versions renamed them
    functions: tuple[str, ...]
    # Where earlier versions had them
    earlier_module: str = ""
    # Flags that are accepted outside of argparse
    extra: tuple[Flag, ...] = ()
    # Choices that the program adds to its engine's
    extra_choices: dict[str, list[str]] = field(default_factory=dict)
    # Short spellings that are no argparse options
    short: dict[str, str] = field(default_factory=dict)
    # Whether --a_b is the same as --a-b
    underscores: bool = False


def extra(name: str, form: str, text: str, kind: str = "text") -> Flag:
    """A flag that the source handles without registering it."""
    return Flag([f"--{name}"], form, kind, None, False, {}, text, "", "parser")


PROGRAMS = {
    program.name: program
    for program in (
        Program(
            "vllm",
            "vLLM",
            "vllm",
            "dynamo.vllm.args",
            ("_parse_cli_args", "parse_args"),
            # FlexibleArgumentParser.parse_args handles these before argparse does.
            extra=(extra("config", "value", "Read options from a YAML file."),),
            short={"-O": "optimization-level"},
            underscores=True,
        ),
        Program(
            "sglang",
            "SGLang",
            "sglang",
            "dynamo.sglang.args",
            ("parse_args",),
            # dynamo/sglang/args.py extends and translates these.
            extra_choices={"load-format": ["gms"], "disaggregation-mode": ["agg", "pd", "encode"]},
        ),
        Program(
            "trtllm",
            "TensorRT-LLM",
            "",
            "dynamo.trtllm.args",
            ("parse_args", "cmd_line_args"),
            earlier_module="dynamo.trtllm.utils.trtllm_utils",
            # dynamo/trtllm/args.py translates the one, and collects --trtllm.<group>.<key> of the other.
            extra=(
                extra("publish-events-and-metrics", "bool", "Deprecated. publish-kv-events and publish-metrics."),
                extra(
                    "trtllm", "dotted", "One setting of the engine: trtllm.kv_cache_config.free_gpu_memory_fraction."
                ),
            ),
        ),
        # With --dyn-chat-processor vllm the rest of the command line goes to vLLM's own parser.
        Program("frontend", "dynamo.frontend", "vllm", "dynamo.frontend.main", ("parse_args",)),
    )
}


# Packages


def wheel(package: str, version: str, folder: Path) -> Path:
    """Fetch one wheel into a folder. Raises UserError when the index has none."""
    platforms = [*(f"manylinux_{p}_x86_64" for p in PLATFORMS), *OLD_PLATFORMS]
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--only-binary", ":all:", "--dest", str(folder)),
        *("--implementation", "cp", "--python-version", PYTHON_VERSION),
        *(part for abi in (f"cp{PYTHON_VERSION}", "abi3", "none") for part in ("--abi", abi)),
        *(part for platform in platforms for part in ("--platform", platform)),
        f"{package}=={version}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise UserError(f"{package} {version} could not be fetched: {reason}")
    return next(folder.glob("*.whl"))


@cache
def sources(package: str, version: str) -> Path:
    """A zip file with the Python files and the metadata of a package, kept in the cache."""
    kept = cache_dir() / "python-sources" / f"{package}-{version}.zip"
    if kept.exists():
        return kept
    kept.parent.mkdir(exist_ok=True)
    step = Step(f"{package} {version}")
    step.say("fetching (vLLM is 300 to 450 MB)" if package == "vllm" else "fetching")
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        part = Path(folder) / "sources.zip"
        with ZipFile(wheel(package, version, Path(folder))) as whole, ZipFile(part, "w", ZIP_DEFLATED) as small:
            for name in whole.namelist():
                if name.endswith((".py", ".dist-info/METADATA")):
                    small.writestr(name, whole.read(name))
        part.replace(kept)
    step.say("read")
    return kept


@cache
def pins(dynamo: str) -> dict[str, str]:
    """The engine versions that a Dynamo version pins, by package."""
    with ZipFile(sources(DYNAMO, dynamo)) as content:
        metadata = next(name for name in content.namelist() if name.endswith("METADATA"))
        text = content.read(metadata).decode()
    found = re.findall(r"^Requires-Dist: ([a-z-]+)(?:\[[^]]*\])?==([^;\s]+)", text, re.MULTILINE)
    return dict(found)


@cache
def parser_names(dynamo: str) -> dict[str, list[str]]:
    """Choices of dyn-tool-call-parser and dyn-reasoning-parser; {} where Dynamo's library does not load."""
    kept = cache_dir() / "python-sources" / f"parsers-{dynamo}.json"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as folder:
            with ZipFile(wheel(RUNTIME, dynamo, Path(folder))) as content:
                content.extract("dynamo/_core.abi3.so", folder)
            calls = ", ".join(f"_core.get_{kind}_parser_names()" for kind in ("tool", "reasoning"))
            code = f"import json, _core; print(json.dumps([{calls}]))"
            command = [sys.executable, "-c", code]
            done = subprocess.run(command, cwd=Path(folder) / "dynamo", capture_output=True, text=True, check=False)
        if done.returncode:
            console.print("Dynamo's library does not load here: the names of its parsers are left open")
            return {}
        tool, reasoning = json.loads(done.stdout)
        kept.write_text(json.dumps({"dyn-tool-call-parser": sorted(tool), "dyn-reasoning-parser": sorted(reasoning)}))
    content_: dict[str, list[str]] = json.loads(kept.read_text())
    return content_


# Reading


@contextmanager
def reading_of(what: str) -> Iterator[None]:
    """Say which source was read when reading it fails."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{what} cannot be read: {type(error).__name__}: {error}") from error


def reading(program: Program, dynamo: str, version: str) -> Reading:
    """The flags of a program as a Dynamo and an engine version have them."""
    roots = [sources(DYNAMO, dynamo)]
    if program.package:
        roots.append(sources(program.package, version))
    packages = Packages(roots)
    modules = [m for m in (program.module, program.earlier_module) if m and packages.module(m)]
    errors = []
    with reading_of(f"{program.name} of Dynamo {dynamo}"):
        for module in modules:
            for function in program.functions:
                try:
                    return read(packages, module, function)
                except UserError as error:
                    errors.append(str(error))
    raise UserError(f"Dynamo {dynamo} has no {program.name} that can be read: {'; '.join(errors) or 'no such module'}")


def own(program: Program, flags: Sequence[Flag], dynamo: str) -> dict[str, Flag]:
    """A program's flags by canonical name: of two that share a name the first parser gets it."""
    found: dict[str, Flag] = {}
    seen: set[str] = set()
    for flag in [*flags, *program.extra]:
        if not flag.names[0].startswith("--") or flag.refused:
            continue
        if not seen & set(flag.names):
            found[flag.name] = flag
        seen |= set(flag.names)
    added = {**program.extra_choices, **{k: [] for k in ("dyn-tool-call-parser", "dyn-reasoning-parser")}}
    for name, more in added.items():
        if name in found and (choices := found[name].choices or parser_names(dynamo).get(name)):
            found[name].choices = [*choices, *(c for c in more if c not in choices)]
    return found


def long_names(flag: Flag) -> list[str]:
    """All names of a flag that start with two dashes, without them."""
    return [name[2:] for name in flag.names if name.startswith("--")]


def mentioned(program: Program, dynamo: str, known: set[str]) -> list[str]:
    """Options in the text of a program's entry module that it does not register: look at them by hand."""
    module = Packages([sources(DYNAMO, dynamo)]).module(program.module)
    texts = {n.value for n in ast.walk(module.tree) if isinstance(n, ast.Constant)} if module else set()
    options = {t[2:] for t in texts if isinstance(t, str) and re.fullmatch(r"--[a-z][a-z0-9.-]+", t)}
    return sorted(o for o in options if o not in known and o.removeprefix("no-") not in known)


def earlier_names(program: Program, dynamo: str) -> dict[str, str]:
    """The flags of an earlier version and the version they are of, such as "vLLM 0.20.1"."""
    version = pins(dynamo).get(program.package, "")
    names: dict[str, str] = {}
    packages = Packages([sources(DYNAMO, dynamo)])
    if not any(packages.module(m) for m in (program.module, program.earlier_module) if m):
        return names  # there was no such program yet
    for flag in reading(program, dynamo, version).flags:
        if flag.refused or (program.name == "frontend" and flag.parser in ("vllm_parser", "sglang_parser")):
            continue
        source = f"Dynamo {dynamo}" if flag.module.startswith("dynamo.") else f"{program.product} {version}"
        names |= dict.fromkeys(long_names(flag), source)
    return names


# What is written


@dataclass
class Knowledge:
    """All that is known about a program's flags."""

    program: Program
    dynamo: str
    version: str
    flags: dict[str, Flag]
    # What a value of dyn-chat-processor brings in: "flags" of its parser alone, "program" all of whose flags it takes
    borrowed: dict[str, dict[str, Any]]
    # Name -> the last version that had it, and what to do instead
    removed: dict[str, tuple[str, str]]

    @property
    def label(self) -> str:
        """The program and its version, for messages."""
        if self.program.name == "frontend":
            return f"dynamo.frontend {self.dynamo}"
        if not self.program.package:
            return f"dynamo.{self.program.name} {self.dynamo} ({self.program.product} {self.version})"
        return f"{self.program.product} {self.version}"


def kind(program: Program, flag: Flag) -> str:
    """How a flag is written on a command line, for common.programArgs."""
    if flag.parser == "source_parser":
        return "router"
    if flag.form == "value" and flag.type.startswith("json") and program.underscores:
        return "json"
    return flag.form


def schema_of(flag: Flag) -> dict[str, Any]:
    """The JSON Schema of a flag's value in the values; what is not known for sure is left open."""
    if flag.form in ("bool", "switch"):
        result: dict[str, Any] = {"$ref": "engines/types.yaml#/switch"}
    elif flag.form in ("optional", "repeat", "dotted") or not flag.type:
        result = {"$ref": f"engines/types.yaml#/{'anything' if flag.form == 'optional' else 'value'}"}
    elif flag.choices:
        result = _enumerated(flag)
    else:
        types = {"int": "integer", "count-or-auto": "countOrAuto", "float": "number", "json-or-text": "value"}
        name = types.get(flag.type, flag.type)
        if flag.form == "list":
            name = {"integer": "integers", "number": "numbers"}.get(name, "values")
        result = {"$ref": f"engines/types.yaml#/{'value' if name == 'text' else name}"}
        if flag.bounds and flag.form == "value":
            result |= flag.bounds
    if text := _description(flag.help):
        result["description"] = text
    if flag.deprecated:
        result["deprecated"] = True
    return result


def _enumerated(flag: Flag) -> dict[str, Any]:
    choices: list[Any] = [c for c in flag.choices or [] if c is not None]
    # A command line is text: 16 and "16" are the same choice.
    options = sorted(choices, key=lambda c: (isinstance(c, str), c))
    options += [str(c) for c in options if not isinstance(c, str)]
    if flag.nullable:
        options.append("None")
    # null removes a flag that a lower values file set.
    if flag.form == "list":
        return {"type": ["array", "string", "null"], "items": {"enum": options}}
    return {"enum": [*options, None]}


def _description(text: str) -> str:
    """The first sentence of a help text, cut to a length that keeps the bundle small."""
    sentence = re.split(r"(?<=[a-z)'\"`])\. |\.$|: -|:$", text, maxsplit=1)[0].strip()
    sentence = re.sub(r"\s*env var: .*", "", sentence).replace("`", "").rstrip(".")
    if len(sentence) > DESCRIPTION_LENGTH:
        sentence = sentence[: DESCRIPTION_LENGTH - 3].rsplit(" ", 1)[0].rstrip(",;:(") + "..."
        return sentence
    return f"{sentence}." if sentence else ""


class _Dumper(yaml.SafeDumper):
    """Never writes anchors: a repeated list of choices is spelled out."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def schema_text(known: Knowledge) -> str:
    """The text of schemas/engines/<program>.yaml."""
    properties = {}
    for flag in known.flags.values():
        schema = schema_of(flag)
        for name in long_names(flag):
            properties[name] = schema
    text = (
        f"# Generated by `python -m hack.engine_flags generate --engine {known.program.name}`: "
        f"{known.label}, Dynamo {known.dynamo}, {len(known.flags)} flags.\n"
    )
    if known.program.name != "frontend":
        text += f'version: {{description: Known versions., enum: ["", {known.version}, unchecked]}}\n'
    text += (
        f"flags:\n  description: Flags of {known.label}. common.validate checks their names.\n  type: object\n"
        '  additionalProperties: {$ref: "engines/types.yaml#/anything"}\n  properties:\n'
    )
    for name, schema in sorted(properties.items()):
        flow = yaml.dump(schema, Dumper=_Dumper, sort_keys=False, width=10_000, default_flow_style=True).strip()
        if len(flow) <= LINE_LENGTH:
            text += f"    {name}: {flow}\n"
        else:
            block = yaml.dump(schema, Dumper=_Dumper, sort_keys=False, width=10_000, default_flow_style=False)
            text += f"    {name}:\n" + "".join(f"      {line}\n" for line in block.splitlines())
    return text


def template_text(known: Knowledge) -> str:
    """The text of charts/common/templates/flags/_<program>.tpl."""
    name = known.program.name
    aliases = dict(known.program.short)
    for flag in known.flags.values():
        names = [n.removeprefix("--") for n in flag.names]
        aliases |= dict.fromkeys(names[1:], names[0])
    content: dict[str, Any] = {"label": known.label, "version": known.version, "dynamo": known.dynamo}
    if known.program.underscores:
        content["underscores"] = True
    content["flags"] = {f.name: kind(known.program, f) for f in sorted(known.flags.values(), key=lambda f: f.name)}
    content["aliases"] = dict(sorted(aliases.items()))
    if known.borrowed:
        content["borrowed"] = known.borrowed
    content["removed"] = {k: list(v) for k, v in sorted(known.removed.items())}
    body = ",\n".join(f"{json.dumps(k)}: {_lines(v)}" for k, v in content.items())
    return (
        f"{{{{/* Generated by `python -m hack.engine_flags generate --engine {name}`. common.flags.{name}: JSON; "
        f"what the kinds mean is in _flags.tpl. */}}}}\n"
        f'{{{{- define "common.flags.{name}" -}}}}\n{{\n{body}\n}}\n{{{{- end }}}}\n'
    )


def _lines(value: Any) -> str:
    """JSON with one line for each entry of a map, so that a diff names what changed."""
    if not isinstance(value, dict):
        return json.dumps(value)
    if not value:
        return "{}"
    inner = ",\n".join(
        f"{json.dumps(k)}:{_lines(v) if isinstance(v, dict) else json.dumps(v)}" for k, v in value.items()
    )
    return f"{{\n{inner}\n}}"


# The command


def advice() -> dict[str, dict[str, str]]:
    """What to do instead of flags that are gone, by program and name; written by hand."""
    content: dict[str, dict[str, str]] = yaml.safe_load(ADVICE.read_text())
    return content


def learn(program: Program, dynamo: str, version: str, earlier: Sequence[str]) -> Knowledge:
    """Read a program and its earlier versions.

    Raises UserError when a flag's name cannot be read, or advice is given for a flag that exists.
    """
    found = reading(program, dynamo, version)
    if found.unreadable:
        raise UserError(f"{program.name}: the names of flags cannot be read at {', '.join(found.unreadable)}")
    mine = [f for f in found.flags if program.name != "frontend" or f.parser == "parser"]
    flags = own(program, mine, dynamo)
    borrowed: dict[str, dict[str, Any]] = {}
    if program.name == "frontend":
        vllm = PROGRAMS["vllm"]
        engine = {n for f in reading(vllm, dynamo, version).flags for n in long_names(f)}
        # With vllm the whole command line goes to the engine's own parser, which has what Dynamo adds too.
        for parser, processor, whole in (
            ("vllm_parser", "vllm", {"program": vllm.name}),
            ("sglang_parser", "sglang", {}),
        ):
            lent = {n: kind(vllm, f) for f in found.flags if f.parser == parser for n in long_names(f)}
            borrowed[processor] = {**whole, "flags": {n: f for n, f in lent.items() if not whole or n not in engine}}
    names = {n for f in flags.values() for n in long_names(f)}
    negations = {f"no-{n}" for f in flags.values() if f.form == "bool" for n in long_names(f)}
    gone: dict[str, tuple[str, str]] = {}
    hints = advice().get(program.name, {})
    if stale := sorted(set(hints) & names):
        raise UserError(f"{ADVICE.name}: {program.name}: {', '.join(stale)}: {dynamo} has it; remove the line")
    for before in sorted(earlier, key=_version_key):
        for name, source in earlier_names(program, before).items():
            if name not in names | negations:
                pattern = next((p for p in hints if fnmatch(name, p)), "")
                gone[name] = (source, hints.get(pattern, ""))
    gone |= {name: ("", hint) for name, hint in hints.items() if name not in gone and "*" not in name}
    gone |= {n: ("", f.refused) for f in mine if f.refused for n in long_names(f)}
    return Knowledge(program, dynamo, version, flags, borrowed, gone)


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def files(known: Knowledge) -> dict[Path, str]:
    """The generated files and their texts."""
    return {
        SCHEMAS / f"{known.program.name}.yaml": schema_text(known),
        TEMPLATES / f"_{known.program.name}.tpl": template_text(known),
    }


def written(name: str) -> dict[str, Any]:
    """What the template file of a program says now; {} when there is none."""
    path = TEMPLATES / f"_{name}.tpl"
    if not path.is_file():
        return {}
    text = path.read_text()
    content: dict[str, Any] = json.loads(text[text.index("\n{\n") : text.rindex("\n{{- end")])
    return content


def changes(known: Knowledge) -> Iterator[str]:
    """How the flags differ from what is written now."""
    before, after = (
        written(known.program.name).get("flags", {}),
        {f.name: kind(known.program, f) for f in known.flags.values()},
    )
    for name in sorted(set(before) | set(after)):
        if name not in before:
            yield f"+ {name} ({after[name]})"
        elif name not in after:
            yield f"- {name}"
        elif before[name] != after[name]:
            yield f"  {name}: {before[name]} -> {after[name]}"


def summary(learned: Sequence[Knowledge]) -> Table:
    """Counts for each program."""
    table = Table("program", "flags", "forms", "with choices", "type open", "removed", "without advice")
    for known in learned:
        forms = Counter(kind(known.program, f) for f in known.flags.values())
        valued = [f for f in known.flags.values() if f.form in ("value", "list")]
        table.add_row(
            known.label,
            str(len(known.flags)),
            ", ".join(f"{n} {form}" for form, n in forms.most_common()),
            str(sum("enum" in json.dumps(schema_of(f)) for f in valued)),
            " ".join(f.name for f in valued if not f.type) or "-",
            str(len(known.removed)),
            " ".join(n for n, (_, hint) in known.removed.items() if not hint) or "-",
        )
    return table


def generate(options: argparse.Namespace) -> int:
    """Read the packages and write (or compare) the files."""
    names = [options.engine] if options.engine else list(PROGRAMS)
    if options.version and not options.engine:
        raise UserError("--version needs --engine: each engine has versions of its own")
    learned = []
    for name in names:
        program = PROGRAMS[name]
        package = "tensorrt-llm" if name == "trtllm" else program.package
        version = options.version or pins(options.dynamo).get(package, "")
        if not version:
            raise UserError(f"Dynamo {options.dynamo} pins no {package}: give --version")
        known = learn(program, options.dynamo, version, options.earlier)
        learned.append(known)
        for line in changes(known) if options.dry_run else ():
            console.print(f"{name}: {line}")
        seen = {n for f in known.flags.values() for n in long_names(f)}.union(
            known.removed, *(lent["flags"] for lent in known.borrowed.values())
        )
        if unexplained := mentioned(program, options.dynamo, seen):
            console.print(f"{name}: mentioned in {program.module} but not registered: {', '.join(unexplained)}")
        for path, text in ({} if options.dry_run else files(known)).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    console.print(summary(learned))
    if not options.dry_run:
        console.print("written; next: make generate, make check")
    return 0


def run(arguments: list[str] | None = None) -> int:
    """The command line."""
    pinned = versions()["engine-flags"]
    parser = argparse.ArgumentParser(
        prog="python -m hack.engine_flags",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  python -m hack.engine_flags generate\n"
        "  python -m hack.engine_flags generate --engine vllm --version 0.32.0 --dry-run\n"
        "  python -m hack.engine_flags generate --dynamo 1.6.0",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("generate", help="read the packages and write the files")
    command.set_defaults(action=generate)
    command.add_argument("--engine", choices=list(PROGRAMS), help="one program only (default: all)")
    command.add_argument("--version", help="engine version (default: the one that Dynamo pins)")
    command.add_argument("--dynamo", default=pinned["dynamo"], help="Dynamo version (default: %(default)s)")
    command.add_argument(
        "--earlier",
        nargs="*",
        default=pinned["earlier"],
        metavar="VERSION",
        help="Dynamo versions whose flags are listed as removed (default: %(default)s)",
    )
    command.add_argument("--dry-run", action="store_true", help="write nothing; show what would change")
    options = parser.parse_args(arguments)
    action = options.action
    return int(action(options))


if __name__ == "__main__":
    main(run)
