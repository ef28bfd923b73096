"""Read Python packages without importing them: modules, names, constants and small expressions.

An inference engine cannot be imported without a GPU's libraries, but what its command line accepts is
written in its source. Whatever cannot be known from the source alone is UNKNOWN, never a guess.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import ZipFile


class Unknown:
    """What the source alone does not say."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()

MUTATORS = ("append", "extend", "insert", "update", "add")


@dataclass
class Module:
    """A module of a package, parsed."""

    name: str
    tree: ast.Module
    is_package: bool
    bindings: dict[str, ast.AST | Import] = field(default_factory=dict)


@dataclass(frozen=True)
class Import:
    """A name that another module defines; without a name, the module itself."""

    module: str
    name: str | None


@dataclass(frozen=True)
class External:
    """Something outside the packages, by its dotted name, such as builtins.int or typing.Literal."""

    name: str

    @property
    def last(self) -> str:
        """The part after the last dot."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, eq=False)
class Function:
    """A function, with the object it is bound to if it is a method."""

    module: Module
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    bound: Any = None
    enclosing: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The function's own name."""
        return "lambda" if isinstance(self.node, ast.Lambda) else self.node.name


@dataclass(frozen=True, eq=False)
class Class:
    """A class."""

    module: Module
    node: ast.ClassDef

    @property
    def name(self) -> str:
        """The class's own name."""
        return self.node.name


@dataclass(frozen=True)
class Member:
    """A member of an Enum."""

    owner: str
    name: str
    value: Any


@dataclass
class Instance:
    """An object of a class of the packages, with the attributes its __init__ sets."""

    cls: Class
    attributes: dict[str, Any] = field(default_factory=dict)


class Packages:
    """The modules of some packages, each a folder or a zip file (a wheel is one)."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._texts: list[Any] = [ZipFile(root) if root.is_file() else root for root in roots]
        self._modules: dict[str, Module | None] = {}

    def text(self, path: str) -> str | None:
        """The content of a file of the packages, or None."""
        for root in self._texts:
            if isinstance(root, ZipFile):
                if path in root.NameToInfo:
                    return root.read(path).decode()
            elif (root / path).is_file():
                return str((root / path).read_text())
        return None

    def module(self, name: str) -> Module | None:
        """A module by its dotted name, or None when the packages have none."""
        if name not in self._modules:
            self._modules[name] = None
            base = name.replace(".", "/")
            for path, is_package in ((f"{base}.py", False), (f"{base}/__init__.py", True)):
                if (text := self.text(path)) is not None:
                    module = Module(name, ast.parse(text), is_package)
                    module.bindings.update(_bindings(module, module.tree.body))
                    self._modules[name] = module
                    break
        return self._modules[name]

    def lookup(self, module: Module, name: str) -> Any:
        """What a global name of a module stands for."""
        return self.resolve(module, name, frozenset())

    def resolve(self, module: Module, name: str, seen: frozenset[tuple[str, str]]) -> Any:
        """As lookup(); `seen` are the names being looked up, so that a circle ends."""
        if (module.name, name) in seen:
            return UNKNOWN
        seen = seen | {(module.name, name)}
        binding = module.bindings.get(name)
        if binding is None:
            if self.module(f"{module.name}.{name}"):
                return self.module(f"{module.name}.{name}")
            return External(f"builtins.{name}") if hasattr(builtins, name) else UNKNOWN
        if isinstance(binding, Import):
            return self.imported(binding, seen)
        if isinstance(binding, ast.ClassDef):
            return Class(module, binding)
        if isinstance(binding, ast.FunctionDef | ast.AsyncFunctionDef):
            return Function(module, binding)
        assert isinstance(binding, ast.expr)
        return Evaluator(self, module, {}, seen).value(binding)

    def imported(self, binding: Import, seen: frozenset[tuple[str, str]] = frozenset()) -> Any:
        """What an import binds."""
        target = self.module(binding.module)
        if binding.name is None:
            return target or External(binding.module)
        if target is None:
            return External(f"{binding.module}.{binding.name}")
        found = self.resolve(target, binding.name, seen)
        if found is UNKNOWN and binding.name not in target.bindings:
            return External(f"{binding.module}.{binding.name}")
        return found

    def bases(self, cls: Class) -> Iterator[Any]:
        """A class and what it inherits from, nearest first; outside the packages an External."""
        yield cls
        for base in cls.node.bases:
            # dict[str, X] is a dict.
            found = Evaluator(self, cls.module, {}).value(base.value if isinstance(base, ast.Subscript) else base)
            if isinstance(found, Class):
                yield from self.bases(found)
            else:
                yield found

    def attribute(self, cls: Class, name: str) -> Any:
        """A class attribute: a method, an Enum member, or a constant."""
        for owner in self.bases(cls):
            if not isinstance(owner, Class):
                continue
            # A later line of a class body may use the names of earlier ones.
            names: dict[str, Any] = {}
            for statement in owner.node.body:
                if isinstance(statement, ast.FunctionDef) and statement.name == name:
                    return Function(owner.module, statement)
                if not isinstance(statement, ast.Assign | ast.AnnAssign) or not statement.value:
                    continue
                value = Evaluator(self, owner.module, names).value(statement.value)
                if name in _targets(statement):
                    is_member = isinstance(statement, ast.Assign) and self.is_enum(cls)
                    return Member(cls.name, name, value) if is_member else value
                names |= dict.fromkeys(_targets(statement), value)
        return UNKNOWN

    def is_enum(self, cls: Class) -> bool:
        """Whether a class is an Enum."""
        return any(isinstance(b, External) and b.last in ("Enum", "StrEnum", "IntEnum") for b in self.bases(cls))

    def members(self, cls: Class) -> list[Member]:
        """The members of an Enum, in their order."""
        assigned = [s for s in cls.node.body if isinstance(s, ast.Assign)]
        return [self.attribute(cls, name) for s in assigned for name in _targets(s) if not name.startswith("_")]


def _targets(statement: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return [t.id for t in targets if isinstance(t, ast.Name)]


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """The module an import statement means, relative dots resolved."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    kept = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*kept, node.module] if node.module else kept)


def imports(module: Module, node: ast.Import | ast.ImportFrom) -> dict[str, Import]:
    """The names an import statement binds."""
    if isinstance(node, ast.ImportFrom):
        source = absolute(module, node)
        return {alias.asname or alias.name: Import(source, alias.name) for alias in node.names}
    return {
        alias.asname or alias.name.partition(".")[0]: Import(
            alias.name if alias.asname else alias.name.partition(".")[0], None
        )
        for alias in node.names
    }


def _bindings(module: Module, body: Sequence[ast.stmt]) -> dict[str, ast.AST | Import]:
    found: dict[str, ast.AST | Import] = {}

    def bind(name: str, node: ast.AST | Import) -> None:
        # The first definition stands: a class is sometimes replaced by a wrapped one of the same name.
        found.setdefault(name, node)

    for statement in body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            bind(statement.name, statement)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            for name, target in imports(module, statement).items():
                bind(name, target)
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value:
            for name in _targets(statement):
                bind(name, statement.value)
        elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            found[statement.target.id] = ast.Name(id="?", ctx=ast.Load())
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            # LIST.append(x) at module level: what the list holds is then not known.
            called = statement.value.func
            changed = called.value if isinstance(called, ast.Attribute) and called.attr in MUTATORS else None
            if isinstance(changed, ast.Name) and changed.id in found:
                found[changed.id] = ast.Name(id="?", ctx=ast.Load())
        elif isinstance(statement, ast.If):
            typing_only = ast.unparse(statement.test).endswith("TYPE_CHECKING")
            for branch in [statement.orelse] if typing_only else [statement.body, statement.orelse]:
                for name, node in _bindings(module, branch).items():
                    bind(name, node)
            if typing_only:
                for name, node in _bindings(module, statement.body).items():
                    bind(name, node)
        elif isinstance(statement, ast.Try):
            for branch in [statement.body, *(h.body for h in statement.handlers)]:
                for name, node in _bindings(module, branch).items():
                    bind(name, node)
    return found


class Evaluator:
    """Values of expressions in a module, given some local names."""

    def __init__(
        self,
        packages: Packages,
        module: Module,
        names: dict[str, Any],
        seen: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        self.packages = packages
        self.module = module
        self.names = names
        self._seen = seen

    def value(self, node: ast.expr) -> Any:
        """The value of an expression, or UNKNOWN."""
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        return method(node) if method else UNKNOWN

    def values(self, nodes: Sequence[ast.expr]) -> list[Any]:
        """The values of some expressions, starred ones spread out; [UNKNOWN] when that is not possible."""
        result: list[Any] = []
        for node in nodes:
            if not isinstance(node, ast.Starred):
                result.append(self.value(node))
                continue
            spread = self.value(node.value)
            if not isinstance(spread, list | tuple | set):
                return [UNKNOWN]
            result.extend(spread)
        return result

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _name(self, node: ast.Name) -> Any:
        if node.id in self.names:
            return self.names[node.id]
        return self.packages.resolve(self.module, node.id, self._seen)

    def _attribute(self, node: ast.Attribute) -> Any:
        owner = self.value(node.value)
        if isinstance(owner, External):
            return External(f"{owner.name}.{node.attr}")
        if isinstance(owner, Module):
            return self.packages.lookup(owner, node.attr)
        if isinstance(owner, Class):
            return self.packages.attribute(owner, node.attr)
        if isinstance(owner, Member):
            return {"value": owner.value, "name": owner.name}.get(node.attr, UNKNOWN)
        if isinstance(owner, Instance):
            if node.attr in owner.attributes:
                return owner.attributes[node.attr]
            found = self.packages.attribute(owner.cls, node.attr)
            return Function(found.module, found.node, owner) if isinstance(found, Function) else found
        return UNKNOWN

    def _list(self, node: ast.List) -> Any:
        return self._whole(self.values(node.elts))

    def _tuple(self, node: ast.Tuple) -> Any:
        values = self._whole(self.values(node.elts))
        return UNKNOWN if values is UNKNOWN else tuple(values)

    def _set(self, node: ast.Set) -> Any:
        return self._whole(self.values(node.elts))

    @staticmethod
    def _whole(values: list[Any]) -> Any:
        return UNKNOWN if any(v is UNKNOWN for v in values) else values

    def _dict(self, node: ast.Dict) -> Any:
        result: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                result[self.value(key)] = self.value(value)
                continue
            spread = self.value(value)
            if not isinstance(spread, dict):
                return UNKNOWN
            result |= spread
        return result

    def _joinedstr(self, node: ast.JoinedStr) -> Any:
        parts = [self.value(p.value if isinstance(p, ast.FormattedValue) else p) for p in node.values]
        return "".join(str(p) if isinstance(p, str | int) else "..." for p in parts)

    def _binop(self, node: ast.BinOp) -> Any:
        left: Any = self.value(node.left)
        right: Any = self.value(node.right)
        if isinstance(node.op, ast.Add) and type(left) in (list, str, tuple) and type(left) is type(right):
            return left + right
        return UNKNOWN

    def _ifexp(self, node: ast.IfExp) -> Any:
        test = self.truth(node.test)
        return UNKNOWN if test is None else self.value(node.body if test else node.orelse)

    def _listcomp(self, node: ast.ListComp) -> Any:
        if len(node.generators) != 1 or not isinstance(node.generators[0].target, ast.Name):
            return UNKNOWN
        loop = node.generators[0]
        items = self.items(self.value(loop.iter))
        if items is None:
            return UNKNOWN
        result = []
        assert isinstance(loop.target, ast.Name)
        for item in items:
            inner = Evaluator(self.packages, self.module, {**self.names, loop.target.id: item}, self._seen)
            tests = [inner.truth(test) for test in loop.ifs]
            if None in tests:
                return UNKNOWN
            if all(tests):
                result.append(inner.value(node.elt))
        return self._whole(result)

    def _lambda(self, node: ast.Lambda) -> Any:
        return Function(self.module, node)

    def _subscript(self, node: ast.Subscript) -> Any:
        owner, key = self.value(node.value), self.value(node.slice)
        if isinstance(owner, dict) and isinstance(key, str):
            return owner.get(key, UNKNOWN)
        return UNKNOWN

    def _call(self, node: ast.Call) -> Any:
        called = self.value(node.func)
        if isinstance(called, External):
            arguments = self.values(node.args)
            if called.name in ("builtins.list", "builtins.sorted", "builtins.tuple", "builtins.set"):
                items = self.items(arguments[0]) if arguments else []
                return UNKNOWN if items is None else items
            if called.last == "get_args" and node.args:
                return self.literal(node.args[0]) or UNKNOWN
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value)
            if isinstance(owner, dict) and node.func.attr in ("keys", "items", "values"):
                return list(getattr(owner, node.func.attr)())
            if isinstance(owner, dict) and node.func.attr in ("get", "pop"):
                key, default = [*self.values(node.args), None][:2]
                return owner.get(key, default) if isinstance(key, str) else UNKNOWN
            if isinstance(owner, str) and node.func.attr == "replace":
                texts = self.values(node.args)
                return owner.replace(*texts) if len(texts) == 2 and all(isinstance(t, str) for t in texts) else UNKNOWN
        if isinstance(called, Function) and not node.args and not node.keywords:
            return self._returned(called)
        return UNKNOWN

    def _returned(self, called: Function) -> Any:
        """What a function without parameters returns; a return that is not known does not count."""
        if isinstance(called.node, ast.Lambda) or called.node.args.args:
            return UNKNOWN
        names = dict(called.enclosing)
        for statement in ast.walk(called.node):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                for name, target in imports(called.module, statement).items():
                    names[name] = self.packages.imported(target, self._seen)
        inner = Evaluator(self.packages, called.module, names, self._seen)
        returns = [s.value for s in ast.walk(called.node) if isinstance(s, ast.Return) and s.value]
        known = [value for value in map(inner.value, returns) if value is not UNKNOWN]
        return known[-1] if known else UNKNOWN

    def literal(self, node: ast.expr) -> list[Any] | None:
        """The options of a Literal[...] type, also of a name that stands for one."""
        if isinstance(node, ast.Name | ast.Attribute):
            found = self.definition(node)
            return found[0].literal(found[1]) if found else None
        if isinstance(node, ast.Subscript):
            kind = self.value(node.value)
            if isinstance(kind, External) and kind.last == "Literal":
                elements = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                options: list[Any] = []
                for element in elements:
                    # An option may be the name of another Literal.
                    inner = self.literal(element)
                    options.extend(inner if inner is not None else [self.value(element)])
                return None if any(not isinstance(o, str | int | float) for o in options) else options
        return None

    def definition(self, node: ast.Name | ast.Attribute) -> tuple[Evaluator, ast.expr] | None:
        """The expression a name stands for, with the evaluator of the module it is in."""
        module, name = self.module, node.attr if isinstance(node, ast.Attribute) else node.id
        if isinstance(node, ast.Attribute):
            owner = self.value(node.value)
            if not isinstance(owner, Module):
                return None
            module = owner
        for _ in range(10):
            binding = module.bindings.get(name)
            if isinstance(binding, ast.expr):
                return Evaluator(self.packages, module, {}), binding
            if not isinstance(binding, Import) or binding.name is None:
                return None
            target = self.packages.module(binding.module)
            if target is None:
                return None
            module, name = target, binding.name
        return None

    def items(self, value: Any) -> list[Any] | None:
        """What iterating over a value gives, or None when that is not known."""
        if isinstance(value, Class) and self.packages.is_enum(value):
            return list(self.packages.members(value))
        if isinstance(value, list | tuple | set):
            return list(value)
        return list(value) if isinstance(value, dict) else None

    def truth(self, node: ast.expr) -> bool | None:
        """Whether a condition holds, or None when that is not known."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self.truth(node.operand)
            return None if inner is None else not inner
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = self.value(node.left), self.value(node.comparators[0])
            if left is UNKNOWN or right is UNKNOWN or isinstance(left, External):
                return None
            if isinstance(node.ops[0], ast.Eq | ast.Is):
                return bool(left == right)
            if isinstance(node.ops[0], ast.NotEq | ast.IsNot):
                return bool(left != right)
            return None
        value = self.value(node)
        return bool(value) if isinstance(value, bool | str | int | list | dict) or value is None else None
