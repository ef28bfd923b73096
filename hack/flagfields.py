"""Read what vLLM and SGLang make flags of: annotated fields of classes, as keywords of add_argument."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hack.pysource import UNKNOWN, Class, Evaluator, External, Packages


@dataclass(frozen=True)
class Hint:
    """One alternative of a type annotation."""

    # int, str, bool, None, dict, list, tuple, set, literal, dataclass, other or unknown
    kind: str
    # Options of a literal, element types of a collection
    arguments: tuple[Any, ...] = ()


class Hints:
    """Type annotations of a module, as sets of alternatives."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator

    def of(self, node: ast.expr) -> set[Hint]:
        """The alternatives of an annotation; a Hint "unknown" among them when it cannot be read in full."""
        if isinstance(node, ast.Constant):
            if node.value is None:
                return {Hint("None")}
            if isinstance(node.value, str):
                return self.of(ast.parse(node.value, mode="eval").body)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self.of(node.left) | self.of(node.right)
        if isinstance(node, ast.Subscript):
            return self._subscript(node)
        if isinstance(node, ast.Name | ast.Attribute):
            return self._name(node)
        return {Hint("unknown")}

    def _subscript(self, node: ast.Subscript) -> set[Hint]:
        value = self.evaluator.value(node.value)
        name = value.last if isinstance(value, External) else ""
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name == "Literal":
            options = self.evaluator.literal(node)
            return {Hint("unknown")} if options is None else {Hint("literal", tuple(options))}
        if name in ("Optional", "Union"):
            found = set().union(*(self.of(p) for p in parts))
            return found | ({Hint("None")} if name == "Optional" else set())
        if name in ("Annotated", "SkipValidation", "Required", "Final"):
            return self.of(parts[0])
        if name in ("list", "List", "tuple", "Tuple", "set", "Set", "Sequence", "frozenset"):
            kind = {"sequence": "list", "frozenset": "set"}.get(name.lower(), name.lower())
            elements = [self.of(p) for p in parts if not (isinstance(p, ast.Constant) and p.value is Ellipsis)]
            return {Hint(kind, (frozenset(set().union(*elements)), len(elements) != len(parts), len(parts)))}
        if name in ("dict", "Dict", "Mapping"):
            return {Hint("dict")}
        if name in ("type", "Type", "Callable"):
            return {Hint("other")}
        return {Hint("unknown")}

    def _name(self, node: ast.Name | ast.Attribute) -> set[Hint]:
        if found := self.evaluator.definition(node):
            return Hints(found[0]).of(found[1])
        value = self.evaluator.value(node)
        if isinstance(value, External):
            builtin = value.name.removeprefix("builtins.")
            if builtin in ("int", "str", "bool", "float", "dict"):
                return {Hint(builtin)}
            if builtin in ("list", "tuple", "set"):
                return {Hint(builtin, (frozenset({Hint("str")}), False, 1))}
            return {Hint("other")}
        if isinstance(value, Class):
            decorators = [ast.unparse(d).partition("(")[0].rpartition(".")[2] for d in value.node.decorator_list]
            bases = [b for b in self.evaluator.packages.bases(value) if isinstance(b, External)]
            if any(d in ("config", "dataclass") for d in decorators):
                return {Hint("dataclass")}
            return {Hint("dict" if any(b.last == "dict" for b in bases) else "other")}
        return {Hint("unknown")}


class VllmConfig:
    """What vLLM's get_kwargs makes of the fields of a config class (vllm/engine/arg_utils.py)."""

    COUNTS = (
        *("max_num_batched_tokens", "max_num_scheduled_tokens", "kv_cache_memory_bytes"),
        *("safetensors_prefetch_block_size", "max_num_queued_tokens"),
    )

    def __init__(self, packages: Packages, cls: Class) -> None:
        self.packages = packages
        self.cls = cls

    def arguments(self) -> dict[str, dict[str, Any]]:
        """Keywords of add_argument by field."""
        result: dict[str, dict[str, Any]] = {}
        for owner in reversed([b for b in self.packages.bases(self.cls) if isinstance(b, Class)]):
            hints = Hints(Evaluator(self.packages, owner.module, {}))
            body = owner.node.body
            for statement, following in zip(body, [*body[1:], None], strict=True):
                if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
                    continue
                if "ClassVar" in ast.unparse(statement.annotation):
                    continue
                name = statement.target.id
                keywords = self.keywords(name, hints.of(statement.annotation))
                keywords["bounds"] = self._bounds(hints.evaluator, statement.value)
                if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                    keywords["help"] = str(following.value.value).strip()
                result[name] = keywords
        return result

    def keywords(self, name: str, hints: set[Hint]) -> dict[str, Any]:
        """Keywords of add_argument for a field of these types."""
        kinds = {h.kind for h in hints}
        result = self._typed(name, hints, kinds)
        if "None" in kinds and "bool" not in kinds:
            result["nullable"] = True
        return result

    def _typed(self, name: str, hints: set[Hint], kinds: set[str]) -> dict[str, Any]:
        if "dataclass" in kinds:
            return {"type": External("json.loads")}
        if kinds == {"bool", "str", "None"}:
            return {"type": External("builtins.str"), "nargs": "?"}
        if "bool" in kinds:
            return {"action": External("argparse.BooleanOptionalAction")}
        if "unknown" in kinds:
            return {"type": UNKNOWN}
        if literal := next((h for h in hints if h.kind == "literal"), None):
            options = sorted(literal.arguments, key=str)
            kind = External(f"builtins.{type(options[0]).__name__}")
            return {"type": kind} if "str" in kinds else {"type": kind, "choices": options}
        for collection in ("tuple", "list", "set"):
            if found := next((h for h in hints if h.kind == collection), None):
                return self._collection(found)
        if "int" in kinds:
            if name == "max_model_len":
                return {"type": External("human_readable_int_or_auto")}
            return {"type": External("human_readable_int" if name in self.COUNTS else "builtins.int")}
        if "float" in kinds:
            return {"type": External("builtins.float")}
        if "dict" in kinds:
            union = kinds & {"str", "other"}
            return {"type": External("union_dict_and_str" if union else "json.loads")}
        return {"type": External("builtins.str")}

    @staticmethod
    def _collection(hint: Hint) -> dict[str, Any]:
        elements, open_ended, length = hint.arguments
        nargs: Any = length if hint.kind == "tuple" and not open_ended else "+"
        kinds = {e.kind for e in elements}
        if kinds == {"literal"}:
            options = sorted({o for e in elements for o in e.arguments}, key=str)
            return {"type": External(f"builtins.{type(options[0]).__name__}"), "choices": options, "nargs": nargs}
        kind = kinds.pop() if len(kinds) == 1 else "str"
        return {"type": External(f"builtins.{kind}") if kind in ("int", "float", "str") else UNKNOWN, "nargs": nargs}

    @staticmethod
    def _bounds(evaluator: Evaluator, value: ast.expr | None) -> dict[str, float]:
        """The bounds of a Field(ge=0, le=1); one bound alone often has special values beyond it."""
        if not isinstance(value, ast.Call) or not ast.unparse(value.func).endswith("Field"):
            return {}
        words = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
        found = {words[k.arg]: evaluator.value(k.value) for k in value.keywords if k.arg in words}
        numbers = all(isinstance(v, int | float) for v in found.values())
        return found if len(found) == 2 and numbers else {}


class SglangFields:
    """SGLang's fields `name: A[type, "help" or Arg(...)]` (sglang/srt/arg_groups/arg_utils.py)."""

    def __init__(self, packages: Packages, cls: Class) -> None:
        self.evaluator = Evaluator(packages, cls.module, {})
        self.cls = cls

    def arguments(self) -> Iterator[tuple[str, ast.AST, dict[str, Any]]]:
        """Option, place and keywords of add_argument for each field that has an option."""
        for statement in self.cls.node.body:
            if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
                continue
            annotation = statement.annotation
            if not isinstance(annotation, ast.Subscript) or not isinstance(annotation.slice, ast.Tuple):
                continue
            if ast.unparse(annotation.value).rpartition(".")[2] not in ("A", "Annotated"):
                continue
            meta = self._meta(annotation.slice.elts[1:])
            if meta is None or meta.get("no_cli"):
                continue
            name = meta.get("cli_name") or "--" + statement.target.id.replace("_", "-")
            keywords = self._keywords(annotation.slice.elts[0], meta)
            keywords |= {"help": meta.get("help", ""), "aliases": meta.get("aliases") or []}
            yield name, statement, keywords

    def _meta(self, nodes: list[ast.expr]) -> dict[str, Any] | None:
        for node in nodes:
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Arg"):
                return {k.arg: self.evaluator.value(k.value) for k in node.keywords if k.arg}
            if isinstance(text := self.evaluator.value(node), str):
                return {"help": text}
        return None

    def _keywords(self, annotation: ast.expr, meta: dict[str, Any]) -> dict[str, Any]:
        if meta.get("action") is not None:
            extra = meta.get("action_kwargs")
            return {"action": meta["action"], **(extra if isinstance(extra, dict) else {})}
        hints = Hints(self.evaluator).of(annotation)
        kinds = {h.kind for h in hints} - {"None"}
        parser, choices, nargs = meta.get("type_parser"), meta.get("choices"), meta.get("nargs")
        if literal := next((h for h in hints if h.kind == "literal"), None):
            options = list(literal.arguments)
            kind = External(f"builtins.{type(options[0]).__name__}")
            return {"type": parser or kind, "choices": choices or options}
        found = next((h for h in hints if h.kind == "list"), None)
        if found and kinds == {"list"} and parser is None:
            elements = {e.kind for e in found.arguments[0]}
            kind = External("builtins." + (elements.pop() if elements in ({"int"}, {"float"}) else "str"))
            return {"type": kind, "nargs": nargs or "+", "choices": choices}
        if kinds == {"bool"}:
            return {"action": "store_true"}
        scalar = next(iter(kinds)) if len(kinds) == 1 and kinds <= {"int", "float"} else "str"
        return {"type": parser or External(f"builtins.{scalar}"), "choices": choices, "nargs": nargs}
