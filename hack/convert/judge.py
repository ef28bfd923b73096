"""What the chart itself says of converted values: what it refuses is taken out and said, until it accepts the rest."""

import re
from typing import Any

import yaml

from hack.base.paths import ROOT
from hack.base.yamlfile import Dumper, parse
from hack.chart.helm import Helm, values_arguments
from hack.chart.manifests import WORKERS
from hack.convert.notes import Notes
from hack.convert.tree import Tree, drop, get, leaves, put
from hack.tools import pinned as tools

ROUNDS = 8
RULE = re.compile(r"^\s*- ([a-z][A-Za-z]*(?:\.[^:\s,]+)?)(?:, [^:]+)?: (.+)$")
SCHEMA = re.compile(r"^\s*- at '/([^']*)': (.+)$")
ASSIGN = re.compile(r"\bset ((?:global|frontend|prefill|decode|encode|etcd|nats)\.[\w.-]+)=([\w./-]+)")
MEMORY = re.compile(r"is ([0-9.]+) GiB of host memory.* raise ((?:prefill|decode)\.resources\.limits\.memory)")
MAPS = ("engineArgs", "args", "env", "podLabels", "podAnnotations", "nodeSelector", "volumes", "extraConfig")


def settled(values: Tree, notes: Notes) -> list[str]:
    """Change the values until the chart accepts them; the problems that are left."""
    tools.ensure(["helm"])
    left: list[str] = []
    for _ in range(ROUNDS):
        text = refused(values)
        left = [line.strip() for line in text.splitlines() if line.lstrip().startswith("- ")]
        if not text or not any([_repair(values, line, notes) for line in left]):
            return left if left or not text else [" ".join(text.split())[:400]]
    return left


def refused(values: Tree) -> str:
    """What Helm says of the values; nothing when it accepts them."""
    with values_arguments(values) as arguments:
        options = ("--namespace", "default", "--set", "global.clusterChecks=false")
        result = Helm().attempt("template", "demo", str(ROOT), *arguments, *options)
    return result.stderr if result.code else ""


def _repair(values: Tree, line: str, notes: Notes) -> bool:
    if match := SCHEMA.match(line):
        return _schema(values, match[1].split("/"), match[2], notes)
    if not (match := RULE.match(line)):
        return False
    where, says = match[1], match[2]
    if "set it once, in global.engine.args" in says:
        return _once(values, where.partition(".engineArgs.")[2], says, notes)
    if more := MEMORY.search(says):
        return _more_memory(values, more[2], float(more[1]), says, notes)
    keys = _keys(values, where)
    if keys is None:
        return _elsewhere(values, where, says, notes)
    name = ".".join(keys)
    if keys[0] != "global" and keys[-1] == "terminationGracePeriodSeconds":
        return False
    if (assign := ASSIGN.search(says)) and where.endswith("blockSize"):
        return _assign(values, assign[1], assign[2], says, notes)
    if where == "global.kvCache.blockSize" and (number := re.search(r"set (\d+)$", says)):
        notes.change(where, says)
        put(values, where, int(number[1]))
        return True
    if len(keys) < 2 or (not any(key in MAPS for key in keys[:-1]) and not _is_foreign(says)):
        return False
    if "volumes" in keys[:-1]:
        keys = keys[: keys.index("volumes") + 2]
    held = get(values, *keys)
    if isinstance(held, dict) and (leaf := _leaf(held, says.partition(" ")[0])):
        keys = [*keys, *leaf]
    gone = drop(values, keys)
    said = f"{says} (it was {_short(gone)})"
    (notes.change if "remove it" in says else notes.loss)(name, said)
    return True


def _leaf(held: Tree, text: str) -> tuple[str, ...]:
    """The only value of a map of settings that a rule begins its sentence with."""
    found = [path for path, value in leaves(held) if str(value) == text]
    return found[0] if len(found) == 1 else ()


def _once(values: Tree, flag: str, says: str, notes: Notes) -> bool:
    """A flag that one role has and the other must have too."""
    having = [role for role in WORKERS if get(values, role, "engineArgs", flag) is not None]
    if len(having) != 1:
        return False
    values.setdefault("global", {}).setdefault("engine", {}).setdefault("args", {})[flag] = drop(
        values, [having[0], "engineArgs", flag]
    )
    notes.doubt(f"global.engine.args.{flag}", f"only {having[0]} had it: {says}")
    return True


def _more_memory(values: Tree, path: str, gib: float, says: str, notes: Notes) -> bool:
    before = str(get(values, *path.split("."), default="0Gi"))
    if not re.fullmatch(r"[0-9.]+Gi", before):
        return False
    put(values, path, f"{float(before[:-2]) + gib:g}Gi")
    notes.doubt(path, f"raised: {says}")
    return True


def _is_foreign(says: str) -> bool:
    """Whether a rule is about a key that the chart does not have, which is in its table of wishes."""
    return bool(
        re.search(
            r"^the (chart sets no|cluster's default|pods (share|have)|chart adds no|containers of a pod)|: remove it$",
            says,
        )
    )


def _elsewhere(values: Tree, where: str, says: str, notes: Notes) -> bool:
    """A rule about a value that is not in ours: a default. What it says to set is set."""
    if where == "global.kvCache.blockSize" and (number := re.search(r"set (?:one of them|(\d+))", says)):
        choice = number[1] or re.search(r"pages of (?:[\d, ]*?)(\d+) tokens", says)
        size = int(choice if isinstance(choice, str) else choice[1] if choice else 64)
        put(values, where, size)
        notes.change(where, says)
        return True
    if assign := ASSIGN.search(says):
        return _assign(values, assign[1], assign[2], says, notes)
    return False


def _assign(values: Tree, path: str, value: str, says: str, notes: Notes) -> bool:
    if get(values, *path.split(".")) is not None:
        return False
    put(values, path, parse(value))
    notes.change(path, says)
    return True


def _keys(values: Tree, where: str) -> list[str] | None:
    """The keys of a path in the values; keys may have dots."""

    def walk(tree: Any, rest: str) -> list[str] | None:
        if not isinstance(tree, dict):
            return None
        for key in sorted(tree, key=len, reverse=True):
            if rest == key:
                return [key]
            if rest.startswith(f"{key}.") and (found := walk(tree[key], rest[len(key) + 1 :])) is not None:
                return [key, *found]
        return None

    return walk(values, where)


def _schema(values: Tree, keys: list[str], says: str, notes: Notes) -> bool:
    extra = re.findall(r"'([^']+)'", says) if says.startswith("additional properties") else []
    found = False
    for path in [[*keys, name] for name in extra] or [keys]:
        while path and get(values, *path) is None and drop_missing(values, path):
            path = path[:-1]
        if len(path) < 2:
            continue
        gone = drop(values, path)
        notes.loss(".".join(path), f"the chart's schema refuses {_short(gone)}: {says}")
        found = True
    return found


def drop_missing(values: Tree, path: list[str]) -> bool:
    """Whether a path of the schema goes further than the values, into a list for one."""
    *above, last = path
    parent = get(values, *above) if above else values
    return not (isinstance(parent, dict) and last in parent)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True, width=10_000).strip()
    return text.removesuffix("\n...")[:100]


class _Dumper(Dumper):
    """Quotes what Helm would take for something else."""


# Helm reads YAML 1.1, where more than PyYAML thinks is no text: y, n, 1e3.
BARE = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)(?:[a-z/]\S*|[0-9]+[kmgt]i)", re.IGNORECASE)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None if BARE.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dumped(values: Tree) -> str:
    """Values as YAML."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
