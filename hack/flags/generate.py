"""Generate what the chart knows about the flags of the engines and of Dynamo's frontend, from their packages.

A Dynamo version decides which engine version it is: its package pins one. pip fetches the packages, and
hack/flags/reader.py asks the programs' own parsers, in a process of its own. What they say becomes
schemas/engines/<dynamo>/<program>.yaml. Names that the newest version lacks are added to schemas/engines/removed.yaml.
`make generate` makes the templates of flags from these.
"""

import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

from hack.base import process
from hack.base.log import Table, UserError, console
from hack.base.step import Step
from hack.flags import files as flagfiles
from hack.flags import reader as flagreader
from hack.flags.programs import PROGRAMS, Flag, Knowledge, Program, kind

# What Dynamo's images have; a wheel for them is fetched whatever machine this runs on.
PYTHON_VERSION = "312"
PLATFORMS = ("2_35", "2_34", "2_31", "2_28", "2_17")
OLD_PLATFORMS = ("manylinux2014_x86_64", "manylinux1_x86_64")
# Dynamo's function that asks the parser of the router's flags, in every worker.
ROUTER = "parse_worker_router_config"


# Packages


def unpack(package: str, version: str, folder: Path) -> None:
    """Put what the reader needs of a package into a folder. Raises UserError when the index has no such wheel."""
    step = Step(f"{package} {version}")
    step.say("fetching (vLLM is 300 to 450 MB)" if package == "vllm" else "fetching")
    # Dynamo's library knows the names of its parsers; the engines' need a GPU.
    wanted = (".py", ".dist-info/METADATA", "dynamo/_core.abi3.so")
    with tempfile.TemporaryDirectory() as wheels, ZipFile(wheel(package, version, Path(wheels))) as content:
        content.extractall(folder, [name for name in content.namelist() if name.endswith(wanted)])
    step.say("unpacked")


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
    done = process.run(command)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise UserError(f"{package} {version} could not be fetched: {reason}")
    return next(folder.glob("*.whl"))


def pins(folder: Path) -> dict[str, str]:
    """The engine versions that an unpacked Dynamo pins, by package."""
    (metadata,) = folder.glob("ai_dynamo-*.dist-info/METADATA")
    return dict(re.findall(r"^Requires-Dist: ([a-z-]+)(?:\[[^]]*\])?==([^;\s]+)", metadata.read_text(), re.MULTILINE))


# Reading


def reading(program: Program, folder: Path, *arguments: str) -> list[list[Flag]]:
    """The flags of each parser that a program asks, in this order: Dynamo's, the router's, the engine's.

    The frontend asks its own, and an engine's where the arguments say so. Raises UserError when it asks others.
    """
    command = [
        sys.executable,
        flagreader.__file__,
        str(folder),
        program.module,
        ",".join(program.functions),
        *arguments,
    ]
    # Without an environment: DYN_ variables are defaults of flags.
    done = process.run(command, env={})
    try:
        parsers = json.loads(done.stdout)
    except ValueError:
        parsers = []
    expected = [program.functions]
    expected += [] if program.name == "frontend" else [(ROUTER,)]
    expected += [program.functions] if arguments or program.name == program.package else []
    asking = [p["by"] for p in parsers if p["flags"]]
    if len(asking) != len(expected) or any(by not in names for by, names in zip(asking, expected, strict=True)):
        found = ", ".join(f"{p['by']} ({len(p['flags'])} flags)" for p in parsers) or "none"
        wanted = ", ".join(" or ".join(names) for names in expected)
        raise UserError(
            f"{program.module} asks other parsers than expected, adapt hack/flags/generate.py: expected those of "
            f"{wanted}, found {found}; its last words: {done.stderr.strip().rpartition(chr(10))[2]}"
        )
    return [[Flag(**flag, for_router=p["by"] == ROUTER) for flag in p["flags"]] for p in parsers]


def own(program: Program, flags: Iterable[Flag]) -> dict[str, Flag]:
    """A program's flags by canonical name: of two that share a name the first parser gets it."""
    found: dict[str, Flag] = {}
    seen: set[str] = set()
    for flag in [*flags, *program.extra]:
        if flag.long_names and not flag.refused and not seen & set(flag.names):
            choices = [*flag.choices, *program.extra_choices.get(flag.name, [])]
            bounds = flag.bounds or flagfiles.bounds().get(program.name, {}).get(flag.name, {})
            found[flag.name] = replace(flag, choices=choices, bounds=bounds)
            seen |= set(flag.names)
    return found


def mentioned(program: Program, folder: Path) -> set[str]:
    """Options in the text of a program's entry module."""
    text = (folder / f"{program.module.replace('.', '/')}.py").read_text()
    return set(re.findall(r"[\"']--([a-z][a-z0-9.-]+)[\"']", text))


# The command


def learn(program: Program, folder: Path, dynamo: str, version: str) -> Knowledge:
    """Ask a program's parsers."""
    flags = [flag for parser in reading(program, folder) for flag in parser]
    refused = {name: flag.refused for flag in flags if flag.refused for name in flag.long_names}
    known = Knowledge(program, dynamo, version, own(program, flags), refused, {})
    if program.name == "frontend":
        # With vllm the whole command line goes to the engine's own parser, which has what Dynamo adds too.
        vllm = PROGRAMS["vllm"]
        engine = {name for parser in reading(vllm, folder) for flag in parser for name in flag.long_names}
        for processor, whole in (("vllm", {"program": "vllm"}), ("sglang", {})):
            _, lent = reading(program, folder, "--dyn-chat-processor", processor)
            names = {name: kind(vllm, flag) for flag in lent for name in flag.long_names}
            known.borrowed[processor] = {
                **whole,
                "flags": {n: k for n, k in names.items() if n not in engine or not whole},
            }
    return known


def closest(dynamo: str) -> str:
    """The known version to compare with: the same one, or else the newest."""
    return dynamo if dynamo in flagfiles.known_versions() else ""


def changes(known: Knowledge) -> Iterator[str]:
    """How the flags differ from what is written now."""
    before = flagfiles.written(known.program.name, closest(known.dynamo))["flags"]
    after = {flag.name: kind(known.program, flag) for flag in known.flags.values()}
    for name in sorted(set(before) | set(after)):
        if name not in before:
            yield f"+ {name} ({after[name]})"
        elif name not in after:
            yield f"- {name}"
        elif before[name] != after[name]:
            yield f"  {name}: {before[name]} -> {after[name]}"


def summary(learned: Sequence[Knowledge]) -> Table:
    """Counts for each program."""
    table = Table("program", "flags", "forms", "with choices", "type open")
    for known in learned:
        forms = Counter(kind(known.program, f) for f in known.flags.values())
        valued = [f for f in known.flags.values() if f.form in ("value", "list")]
        table.add_row(
            known.label,
            str(len(known.flags)),
            ", ".join(f"{n} {form}" for form, n in forms.most_common()),
            str(sum("enum" in json.dumps(flagfiles.schema_of(f)) for f in valued)),
            " ".join(f.name for f in valued if not f.type) or "-",
        )
    return table


def generate(engine: str | None, version: str | None, dynamo: str, *, dry_run: bool) -> None:
    """Read the packages and write (or compare) the files."""
    if version and not engine:
        raise UserError("--version needs --engine: each engine has versions of its own")
    learned = []
    with tempfile.TemporaryDirectory(prefix="flags-") as temporary:
        folder = Path(temporary)
        for package in ("ai-dynamo", "ai-dynamo-runtime"):
            unpack(package, dynamo, folder)
        pinned = pins(folder)
        for name in [engine] if engine else PROGRAMS:
            program = PROGRAMS[name]
            package = program.package or "tensorrt-llm"
            wanted = version or pinned.get(package, "")
            if not wanted:
                raise UserError(f"Dynamo {dynamo} pins no {package}: give --version")
            if program.package and not (folder / package).exists():
                unpack(package, wanted, folder)
            known = learn(program, folder, dynamo, wanted)
            learned.append(known)
            for line in changes(known) if dry_run else ():
                console.print(f"{name}: {line}")
            for path, text in flagfiles.files(known).items() if not dry_run else ():
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
            lent = {flag for borrowed in known.borrowed.values() for flag in borrowed["flags"]}
            explained = known.names | lent | flagfiles.removed().get(name, {}).keys()
            if unexplained := sorted(mentioned(program, folder) - explained):
                console.print(f"{name}: mentioned in {program.module} but not registered: {', '.join(unexplained)}")
    console.print(summary(learned))
    if not dry_run:
        console.print("written; next: make generate, make check")
