"""Maps of maps, by paths with dots."""

from collections.abc import Iterator
from typing import Any

import yaml

from hack.base.yamlfile import parse
from hack.convert.notes import CannotConvertError

Tree = dict[str, Any]


def of_yaml(text: str, where: str) -> Any:
    """What a file of the input says. Raises CannotConvertError, which begins with where it is."""
    try:
        return parse(text)
    except yaml.YAMLError as error:
        raise CannotConvertError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from error


def get(tree: Any, *keys: str, default: Any = None) -> Any:
    """What stands under these keys; the default where there is nothing, or no map on the way."""
    for key in keys:
        if not isinstance(tree, dict):
            return default
        tree = tree.get(key)
    return default if tree is None else tree


def a_map(value: Any) -> Tree:
    """The value, where it is a map; else an empty one."""
    return value if isinstance(value, dict) else {}


def maps(value: Any) -> list[Tree]:
    """The maps of a list; nothing of what is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(value: Any) -> list[str]:
    """The entries of a list as texts; a text alone is a list of one."""
    if isinstance(value, list):
        return [str(item) for item in value if item is not None]
    return [] if value is None else [str(value)]


def put(tree: Tree, path: str, value: Any) -> None:
    """Set a value, and make the maps above it."""
    *above, last = path.split(".")
    for key in above:
        tree = tree.setdefault(key, {})
    tree[last] = value


def drop(tree: Tree, path: list[str]) -> Any:
    """Take a value away, and the maps above it that are empty then; what it was."""
    if path[0] not in tree:
        return None
    if len(path) == 1:
        return tree.pop(path[0])
    if not isinstance(tree[path[0]], dict):
        return None
    gone = drop(tree[path[0]], path[1:])
    if not tree[path[0]]:
        del tree[path[0]]
    return gone


def whole(value: Any) -> int | None:
    """A whole number, also as text."""
    try:
        return int(str(value))
    except ValueError:
        return None


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Everything that is no map, with its keys."""
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from leaves(value, (*path, str(key)))
    else:
        yield path, tree
