"""How golden files hold objects: all of a release, or what differs from those of another file, the base.

A file is one map, from Kind/name to the object. A list whose entries have a name is a map from that name to the rest:
`env[name]: {A: {value: b}}` is `env: [{name: A, value: b}]`, and `args[--]` maps flags to their values.

With `base: <file>` the map is a change, as in a JSON merge patch: maps merge, null removes, everything else replaces.
An entry that is new in a list stands in alphabetical order, or after the one above it; {} above it changes nothing.
An object with `like: <Kind/name>` is a change of that object of the release, as decode's worker is of prefill's.
"""

import re
from typing import Any

import yaml

from hack.base.yamlfile import Dumper

# What may name the entries of a list.
FIELDS = ("name", "mountPath", "key")
FLAGS = "--"
ONE_LINE = 120
LIKE = "like"

Map = dict[str, Any]


def keyed(value: Any) -> Any:
    """An object with its lists as maps, where their entries have names."""
    if isinstance(value, dict):
        return dict(_keyed_field(key, part) for key, part in sorted(value.items()))
    return [keyed(part) for part in value] if isinstance(value, list) else value


def plain(value: Any) -> Any:
    """The inverse of keyed()."""
    if isinstance(value, dict):
        return dict(_plain_field(key, part) for key, part in value.items())
    return [plain(part) for part in value] if isinstance(value, list) else value


def patched(base: Map, change: Map) -> Map:
    """A keyed map with a change in it."""
    result, above = dict(base), ""
    for key, part in change.items():
        if part is None:
            del result[key]
            continue
        if key not in result:
            keys = list(result)
            at = keys.index(above) + 1 if above else next((n for n, k in enumerate(keys) if k > key), len(keys))
            result = {**{k: result[k] for k in keys[:at]}, key: part, **{k: result[k] for k in keys[at:]}}
        elif isinstance(part, dict) and isinstance(result[key], dict):
            result[key] = patched(result[key], part)
        elif part != {}:
            result[key] = part
        above = key
    return result


def difference(base: Map, target: Map, is_list: bool = False) -> Map | None:
    """The change that makes one keyed map of another; None where an order cannot be told so."""
    for with_neighbours in (False, True):
        change: Map = {key: None for key in base if key not in target}
        above = ""
        for key, part in target.items():
            if key not in base:
                if with_neighbours and above:
                    change.setdefault(above, {})
                change[key] = part
            elif plain({key: base[key]}) != plain({key: part}):
                change |= _changed(key, base[key], part)
            above = key
        made = patched(base, change)
        if plain(made) == plain(target) and (not is_list or list(made) == list(target)):
            return change
    return None


def shortened(base: Map, objects: Map) -> Map:
    """The shortest way to write keyed objects as a change of others: each of it, of one above it, or whole."""
    change: Map = {key: None for key in base if key not in objects}
    for position, (key, part) in enumerate(objects.items()):
        if key in base and plain(base[key]) == plain(part):
            continue
        ways = [difference(base[key], part) if key in base else None, part]
        for other in list(objects)[:position]:
            if other.split("/")[0] == key.split("/")[0]:
                way = difference(objects[other], part)
                # Two objects that have little in common are read more easily each for itself.
                ways.append({LIKE: other, **way} if way is not None and 2 * len(str(way)) < len(str(part)) else None)
        change[key] = min((way for way in ways if way is not None), key=lambda way: len(str(way)))
    return change


def expanded(base: Map, change: Map) -> Map:
    """The inverse of shortened()."""
    objects = base
    for key, part in change.items():
        if part and LIKE in part:
            whole = patched(objects[part[LIKE]], {k: v for k, v in part.items() if k != LIKE})
            objects = {**objects, key: whole}
        else:
            objects = patched(objects, {key: part})
    return objects


def text(content: Map) -> str:
    """The text of a golden file: what is short is on one line."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=1000)


def _keyed_field(key: str, value: Any) -> tuple[str, Any]:
    if isinstance(value, list) and value:
        if all(isinstance(part, dict) for part in value):
            for field in FIELDS:
                names = {part.get(field) for part in value}
                if None not in names and len(names) == len(value):
                    rest = {part[field]: {k: v for k, v in part.items() if k != field} for part in value}
                    return f"{key}[{field}]", {name: keyed(part) for name, part in rest.items()}
        flags = _flags(value)
        if flags:
            return f"{key}[{FLAGS}]", flags
    return key, keyed(value)


def _plain_field(key: str, value: Any) -> tuple[str, Any]:
    match = re.fullmatch(r"(.+)\[(.+)\]", key)
    if not match:
        return key, plain(value)
    name, field = match.groups()
    if field == FLAGS:
        values = {flag: [given] if isinstance(given, str) else given for flag, given in value.items()}
        return name, [part for flag, given in values.items() for part in (flag, *given)]
    return name, [{field: entry, **plain(part)} for entry, part in value.items()]


def _flags(arguments: list[Any]) -> Map:
    """Each flag with its value, or a list of none or several; empty where that does not say it all."""
    found: dict[str, list[str]] = {}
    for argument in arguments:
        if isinstance(argument, str) and argument.startswith("--") and argument not in found:
            found[argument] = []
        elif not found or not isinstance(argument, str) or argument.startswith("--"):
            return {}
        else:
            found[list(found)[-1]].append(argument)
    return {flag: values[0] if len(values) == 1 else values for flag, values in found.items()}


def _changed(key: str, base: Any, target: Any) -> Map:
    if not isinstance(base, dict) or not isinstance(target, dict):
        return {key: target}
    change = difference(base, target, is_list=key.endswith("]"))
    # Another order: the whole list.
    return {key: change} if change is not None else {key: None, **plain({key: target})}


class _Dumper(Dumper):
    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = _length(node) < ONE_LINE
        return node

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        node = super().represent_sequence(tag, sequence, flow_style)
        node.flow_style = _length(node) < ONE_LINE
        return node


def _length(node: yaml.Node) -> int:
    if isinstance(node, yaml.ScalarNode):
        return ONE_LINE if node.style == "|" else len(node.value) + 4
    parts = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
    return sum(map(_length, parts))


def _represent_text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _represent_text)
