"""Reading YAML, with the fast loader, and writing it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from hack.base.log import UserError


class Dumper(yaml.SafeDumper):
    """Never writes anchors: what repeats is spelled out."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds one map; an empty file is an empty map. Raises UserError."""
    try:
        content = parse(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a map, found {type(content).__name__}")
    return content


def parse(text: str) -> Any:
    """One YAML document. Raises yaml.YAMLError."""
    with _errors_of_yaml():
        return yaml.load(text, Loader=yaml.CSafeLoader)


def parse_all(text: str) -> list[Any]:
    """All documents of a text, without the empty ones. Raises yaml.YAMLError."""
    with _errors_of_yaml():
        return [document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document]


@contextmanager
def _errors_of_yaml() -> Iterator[None]:
    """The loader raises others too: for a date such as 2026-13-01, and for what is nested very deep."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        raise yaml.YAMLError(str(error)) from error


def repeated_keys(text: str) -> Iterator[tuple[str, int, int]]:
    """Keys that one map has twice, where a parser keeps the last: their path, and both lines. Raises yaml.YAMLError."""
    document = yaml.compose(text, Loader=yaml.CSafeLoader)
    yield from _repeated(document, "", set()) if document else ()


def _repeated(node: yaml.Node, path: str, seen: set[int]) -> Iterator[tuple[str, int, int]]:
    if id(node) in seen:
        # An alias of what was read before.
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        # What is no scalar is no key of any value, which the parser says.
        for key, value in ((k, v) for k, v in node.value if isinstance(k, yaml.ScalarNode)):
            here = f"{path}.{key.value}".lstrip(".")
            line = key.start_mark.line + 1
            if key.value in lines:
                yield here, lines[key.value], line
            lines[key.value] = line
            yield from _repeated(value, here, seen)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _repeated(item, f"{path}[{number}]", seen)
