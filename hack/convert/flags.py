"""A program's flags as the chart's values have them: by name, typed, and those that are gone repaired."""

import functools
import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from hack.base.yamlfile import parse, read_yaml
from hack.convert.notes import Notes
from hack.convert.tree import Tree
from hack.flags.files import data_file, known_versions, removed, written

NUMBERS = ("integer", "number", "count", "countOrAuto", "integers", "numbers")
RENAMED = re.compile(r"^use ([a-z0-9][a-z0-9-]*)(; the role is set by the chart)?$")
SET = re.compile(r"^use ([a-z0-9][a-z0-9-]*): ([^(].*)$")
MOVED = re.compile(r"^use ((?:global|frontend|prefill|decode|encode)\.[A-Za-z.]+)$")


@dataclass
class Flags:
    """The flags of one program on one command line."""

    program: str
    where: str
    # By the name that the program's help lists first.
    values: Tree

    def take(self, *names: str) -> Any:
        """The value of the first of these flags that is there; all of them are taken out."""
        found = [self.values.pop(name) for name in names if name in self.values]
        return found[0] if found else None


@functools.cache
def _known(program: str) -> dict[str, Any]:
    data = written(program)
    data["types"] = read_yaml(data_file(program, known_versions()[0]))["flags"]["properties"]
    return data


def parsed(program: str, words: list[str], where: str, notes: Notes) -> Flags:
    """Read a command line as the program's argparse would, without failing on what it would refuse."""
    known = _known(program)
    found: Tree = {}
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if not re.match(r"^-[-a-zA-Z]", word):
            notes.loss(where, f'"{word}" belongs to no flag of {known["label"]}')
            continue
        typed, joined, value = word.partition("=")
        name, form, is_negation = _resolve(program, typed)
        taken: list[str] = []
        wanted = (
            0
            if is_negation or form in ("bool", "switch")
            else 1
            if form in ("value", "json", "repeat", "dotted")
            else 99
        )
        if joined:
            taken = [value]
        elif optimization := re.fullmatch(r"-O([0-9])", typed):
            taken = [optimization[1]]
        else:
            while place < len(words) and len(taken) < wanted and not _is_flag(words[place], form, len(taken), wanted):
                taken.append(words[place])
                place += 1
        if form == "repeat" and name in found:
            found[name] = [*_listed(found[name]), *taken]
            continue
        if name in found and found[name] != _value(program, name, form, taken, is_negation):
            notes.change(f"{where} --{name}", "it stands there twice, and the last one counts")
        found[name] = _value(program, name, form, taken, is_negation)
    return Flags(program, where, _repaired(program, found, where, notes))


def as_words(flag: str, value: Any) -> list[str]:
    """A flag of a file as it stands on a command line."""
    if value is None or (value is False and flag.startswith(("no-", "no_"))):
        return []
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    # JSON has no dates, which YAML reads.
    return [f"--{flag}", json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)]


def of_file(program: str, content: Tree, where: str, notes: Notes) -> Flags:
    """The flags of a configuration file, which has them by name."""
    found: Tree = {}
    for typed, value in content.items():
        if value is None:
            continue
        name, form, is_negation = _resolve(program, f"--{typed}".replace("_", "-"))
        said = _value(program, name, form, [value], False) if isinstance(value, str) else value
        if not is_negation:
            found[name] = said
        elif said:
            # With false the programs leave the flag out, and its default stays.
            found[name] = False
    return Flags(program, where, _repaired(program, found, where, notes))


def _is_flag(word: str, form: str, taken: int, wanted: int) -> bool:
    if not re.match(r"^-[-a-zA-Z]", word):
        return False
    # A value that looks like a flag: argparse would refuse it, but for JSON and negative numbers.
    return wanted > 1 or taken >= wanted or word.startswith("--")


def _resolve(program: str, typed: str) -> tuple[str, str, bool]:
    """The first name of a flag, its form, and whether it is its negation."""
    known = _known(program)
    name = typed if not typed.startswith("--") else typed[2:]
    if known.get("underscores") and typed.startswith("--"):
        name = name.replace("_", "-")
    if re.fullmatch(r"-O[0-9]?", name):
        name = "-O"
    base = name.partition(".")[0]
    for candidate in (name, base):
        full = known["aliases"].get(candidate, candidate)
        if full in known["flags"]:
            return full + name[len(candidate) :], known["flags"][full], False
    if name.startswith("no-"):
        positive = known["aliases"].get(name[3:], name[3:])
        if positive in known["flags"]:
            return positive, known["flags"][positive], True
    if name in known["removed"]:
        return name, "unknown", False
    # argparse completes what only one flag begins with.
    begins = {
        known["aliases"].get(n, n) for n in [*known["flags"], *known["aliases"]] if n.startswith(name) and len(name) > 1
    }
    if len(begins) == 1:
        full = begins.pop()
        return full, known["flags"][full], False
    return name.lstrip("-"), "unknown", False


def _value(program: str, name: str, form: str, taken: list[Any], is_negation: bool) -> Any:
    if is_negation:
        return False
    kind = str(_known(program)["types"].get(name, {}).get("$ref", "")).rpartition("/")[2]
    if form in ("bool", "switch") or not taken:
        return taken[0] not in ("false", "False", "0", False) if taken else True
    if form in ("list", "repeat") or (form in ("unknown", "router", "optional") and len(taken) > 1):
        if len(taken) == 1 and isinstance(listed := _read(taken[0]), list):
            # as_words makes one word of a file's list.
            taken = listed
        values = [_scalar(word, kind) for word in taken]
        return values[0] if len(values) == 1 and form != "repeat" else values
    if form == "dotted":
        try:
            return parse(str(taken[0]))
        except yaml.YAMLError:
            return taken[0]
    text = taken[0]
    if isinstance(text, str) and (form == "json" or text.lstrip()[:1] in "{[") and kind != "text":
        return _read(text)
    if form == "unknown" or not kind:
        return _scalar(text, "number" if form == "unknown" else "")
    return _scalar(text, kind)


def _read(text: str) -> Any:
    """The map or list that a text is as JSON, else the text."""
    try:
        document = json.loads(text)
    except ValueError:
        return text
    return document if isinstance(document, dict | list) else text


def _scalar(text: Any, kind: str) -> Any:
    if not isinstance(text, str) or kind not in NUMBERS:
        return text
    if re.fullmatch(r"[-+]?[0-9]{1,15}", text):
        return int(text)
    if re.fullmatch(r"[-+]?[0-9]*\.[0-9]+", text):
        return float(text)
    return text


def _retyped(program: str, name: str, value: Any) -> Any:
    """A value that was read without knowing its type."""
    kind = str(_known(program)["types"].get(name, {}).get("$ref", "")).rpartition("/")[2]
    return [_scalar(item, kind) for item in value] if isinstance(value, list) else _scalar(value, kind)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _repaired(program: str, found: Tree, where: str, notes: Notes) -> Tree:
    """The flags without those that the pinned version has no more: renamed, set otherwise, or left out."""
    gone = removed().get(program, {})
    label = _known(program)["label"]
    result: Tree = {}
    for name, value in found.items():
        if name not in gone:
            result[name] = value
            continue
        instead = gone[name]["instead"]
        at = f"{where} --{name}"
        if (match := RENAMED.match(instead)) and match[1] in _known(program)["flags"]:
            new = match[1]
            kept = _retyped(program, new, value)
            if new.startswith("cuda-graph-bs") and isinstance(kept, list):
                kept = sorted(set(kept))
            found.get(new) is None and result.setdefault(new, kept)
            extra = ", sorted and without doubles" if isinstance(kept, list) and len(kept) != len(value) else ""
            notes.change(at, f"{label} calls it {new}{extra}")
        elif match := SET.match(instead):
            new, setting = match[1], parse(match[2].replace("...", json.dumps(value)))
            if isinstance(setting, dict) and isinstance(result.get(new), dict):
                result[new] = {**setting, **result[new]}
            else:
                result.setdefault(new, setting)
            notes.change(at, f"{label} has {new} for it")
        elif match := MOVED.match(instead):
            result[f"={match[1]}"] = value
            notes.change(at, f"it is {match[1]} here")
        elif instead.startswith("remove it"):
            notes.change(
                at, f"left out, {label} has it no more{instead.removeprefix('remove it').replace(';', ':', 1)}"
            )
        else:
            notes.loss(at, f"{label} has it no more: {instead}")
    return result
