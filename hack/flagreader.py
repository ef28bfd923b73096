"""Read what a program's argparse parser accepts from its source, following the calls that fill the parser.

Starting at a function, every call that hands on a parser is followed, and every add_argument is recorded.
A condition that cannot be decided counts as met either way: a flag too many is better than a valid one refused.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from hack.flagfields import SglangFields, VllmConfig
from hack.log import UserError
from hack.pysource import (
    UNKNOWN,
    Class,
    Evaluator,
    External,
    Function,
    Instance,
    Member,
    Module,
    Packages,
    imports,
)

MAX_DEPTH = 12
PARSERS = ("ArgumentParser", "FlexibleArgumentParser")
# What Dynamo's own two helpers are called; their keyword flag_name is the flag.
DYNAMO_HELPERS = ("add_argument", "add_negatable_bool_argument")


@dataclass(frozen=True)
class Parser:
    """An argparse parser (its groups are the same parser), by the variable that holds it."""

    name: str


@dataclass
class Flag:
    """One add_argument call."""

    # As written: first the long names, then the others.
    names: list[str]
    # bool (--x and --no-x), switch (--x alone), value, list (--x a b), repeat (--x a --x b) or optional (--x [a])
    form: str
    # The type of a value: int, count (1k), count-or-auto, float, text, json, json-or-text; "" when it is not known
    type: str
    choices: list[Any] | None
    # None or "" is accepted as well
    nullable: bool
    # Both bounds of a fraction, as JSON Schema keywords
    bounds: dict[str, float]
    help: str
    # The module that registers it, and the parser it is registered on
    module: str
    parser: str
    # Using it stops the program, with this text
    refused: str = ""

    @property
    def name(self) -> str:
        """The first long name, without dashes."""
        return self.names[0].lstrip("-")

    @property
    def deprecated(self) -> bool:
        """Whether its help says that it will go."""
        start = self.help.lstrip("[(* ").lower()
        return start.startswith("deprecated") or "deprecated and " in start[:120]


@dataclass
class Reading:
    """The flags of one program."""

    flags: list[Flag] = field(default_factory=list)
    # Calls whose flag name is not in the source.
    unreadable: list[str] = field(default_factory=list)


def read(packages: Packages, module: str, function: str) -> Reading:
    """All flags that a function registers, in order; `function` may be Class.method.

    Raises UserError when there is no such function.
    """
    found = packages.module(module)
    target: Any = packages.lookup(found, function.partition(".")[0]) if found else UNKNOWN
    if "." in function and isinstance(target, Class):
        target = packages.attribute(target, function.partition(".")[2])
    if not isinstance(target, Function):
        raise UserError(f"{module} has no function {function}: this version is built differently")
    reading = Reading()
    arguments: dict[str, Any] = {}
    assert isinstance(target.node, ast.FunctionDef | ast.AsyncFunctionDef)
    for parameter in target.node.args.args:
        arguments[parameter.arg] = Parser(parameter.arg) if "parser" in parameter.arg else UNKNOWN
    _Walk(packages, reading, 0).run(target, arguments)
    return reading


class _Evaluator(Evaluator):
    """Knows vLLM's get_kwargs, the keywords of add_argument for each field of a config class."""

    def _call(self, node: ast.Call) -> Any:
        name = ast.unparse(node.func).rpartition(".")[2]
        if name == "get_kwargs" and len(node.args) == 1:
            config = self.value(node.args[0])
            return VllmConfig(self.packages, config).arguments() if isinstance(config, Class) else UNKNOWN
        if name == "_customize_cli_kwargs" and node.args:
            return self.value(node.args[0])
        return super()._call(node)


class _Walk:
    """Runs a function's statements as far as they fill a parser."""

    def __init__(self, packages: Packages, reading: Reading, depth: int) -> None:
        self.packages = packages
        self.reading = reading
        self.depth = depth

    def run(self, function: Function, arguments: dict[str, Any]) -> Any:
        """Run a function; returns the parser it returns, if it does."""
        if isinstance(function.node, ast.Lambda) or self.depth > MAX_DEPTH:
            return UNKNOWN
        self.function = function
        self.names = {**function.enclosing, **arguments}
        self.evaluator = _Evaluator(self.packages, function.module, self.names)
        self.result: Any = UNKNOWN
        self._statements(function.node.body)
        return self.result

    def _statements(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            if node.value is None:
                return
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            is_type = any(isinstance(t, ast.Subscript) and ast.unparse(t.slice) == "'type'" for t in targets)
            value = self._type(node.value) if is_type else self._expression(node.value)
            for target in targets:
                self._assign(target, value)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self.names[node.target.id] = UNKNOWN
        elif isinstance(node, ast.Expr):
            self._expression(node.value)
        elif isinstance(node, ast.Return) and node.value:
            self.result = self._expression(node.value)
        elif isinstance(node, ast.If):
            test = self.evaluator.truth(node.test)
            if test is not False:
                self._statements(node.body)
            if test is not True:
                self._statements(node.orelse)
        elif isinstance(node, ast.For):
            items = self.evaluator.items(self._expression(node.iter))
            for item in [UNKNOWN] if items is None else items:
                self._assign(node.target, item)
                self._statements(node.body)
        elif isinstance(node, ast.With | ast.AsyncWith):
            self._statements(node.body)
        elif isinstance(node, ast.Try):
            self._statements(node.body)
            for handler in node.handlers:
                self._statements(handler.body)
            self._statements(node.orelse + node.finalbody)
        elif isinstance(node, ast.FunctionDef):
            self.names[node.name] = Function(self.function.module, node, None, self.names)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for name, origin in imports(self.function.module, node).items():
                found = self.packages.imported(origin)
                # A second import is a fall-back of the first.
                if name not in self.names or not isinstance(found, External):
                    self.names[name] = found

    def _assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = Parser(target.id) if value == Parser("") else value
        elif isinstance(target, ast.Attribute):
            owner = self.evaluator.value(target.value)
            if isinstance(owner, Instance):
                owner.attributes[target.attr] = value
        elif isinstance(target, ast.Subscript):
            owner, key = self.evaluator.value(target.value), self.evaluator.value(target.slice)
            if isinstance(owner, dict) and isinstance(key, str):
                owner[key] = value
        elif isinstance(target, ast.Tuple):
            known = isinstance(value, tuple | list) and len(value) == len(target.elts)
            for part, item in zip(target.elts, value if known else [UNKNOWN] * len(target.elts), strict=True):
                self._assign(part, item)

    def _expression(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Await):
            return self._expression(node.value)
        if isinstance(node, ast.Call):
            return self._call(node)
        return self.evaluator.value(node)

    def _call(self, node: ast.Call) -> Any:
        receiver: Any = None
        if isinstance(node.func, ast.Attribute):
            receiver = (
                self._call(node.func.value)
                if isinstance(node.func.value, ast.Call)
                else self.evaluator.value(node.func.value)
            )
            if isinstance(receiver, Parser):
                if node.func.attr == "add_argument":
                    self._register(node, receiver)
                    return UNKNOWN
                return receiver if node.func.attr.startswith("add_") else UNKNOWN
        called = self._method(receiver, node.func) if isinstance(receiver, Instance | Class) else None
        called = called or self.evaluator.value(node.func)
        last = called.last if isinstance(called, External) else getattr(called, "name", "")
        if last in PARSERS:
            return Parser("")
        arguments = [self._expression(a) for a in node.args if not isinstance(a, ast.Starred)]
        keywords = {k.arg: self._expression(k.value) for k in node.keywords if k.arg}
        if last in DYNAMO_HELPERS and "flag_name" in keywords:
            self._register_dynamo(node, last, arguments[0], keywords)
            return UNKNOWN
        if last == "add_cli_args_from_dataclass" and len(arguments) == 2:
            self._register_sglang(arguments[0], arguments[1])
            return UNKNOWN
        if isinstance(called, Class):
            return self._instance(called, arguments, keywords)
        if isinstance(called, Function):
            passes = any(isinstance(v, Parser) for v in [*arguments, *keywords.values()])
            if passes:
                return self._follow(called, arguments, keywords)
        return self.evaluator.value(node)

    def _method(self, receiver: Instance | Class, func: ast.expr) -> Function | None:
        assert isinstance(func, ast.Attribute)
        found = self.packages.attribute(receiver.cls if isinstance(receiver, Instance) else receiver, func.attr)
        return Function(found.module, found.node, receiver) if isinstance(found, Function) else None

    def _instance(self, cls: Class, arguments: list[Any], keywords: dict[str, Any]) -> Instance:
        instance = Instance(cls)
        created = self.packages.attribute(cls, "__init__")
        if isinstance(created, Function):
            self._follow(Function(created.module, created.node, instance), arguments, keywords)
        return instance

    def _follow(self, called: Function, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        if isinstance(called.node, ast.Lambda):
            return UNKNOWN
        spec = called.node.args
        names = [a.arg for a in [*spec.posonlyargs, *spec.args]]
        static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in called.node.decorator_list)
        bound: dict[str, Any] = {}
        if names[:1] in (["self"], ["cls"]) and not static:
            bound[names.pop(0)] = called.bound if called.bound is not None else UNKNOWN
        defaults = Evaluator(self.packages, called.module, {})
        for parameter, default in zip(reversed(names), reversed(spec.defaults), strict=False):
            bound[parameter] = defaults.value(default)
        for keyword, value in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
            bound[keyword.arg] = defaults.value(value) if value else UNKNOWN
        bound |= dict.fromkeys((n for n in names if n not in bound), UNKNOWN)
        bound |= dict(zip(names, arguments, strict=False))
        bound |= {k: v for k, v in keywords.items() if k in bound}
        return _Walk(self.packages, self.reading, self.depth + 1).run(called, bound)

    # What a call registers

    def _keywords(self, node: ast.Call) -> dict[str, Any]:
        """The keywords of an add_argument call, `**` spread out; the type stays an expression."""
        result: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                spread = self._expression(keyword.value)
                result |= spread if isinstance(spread, dict) else {"type": UNKNOWN, "nargs": UNKNOWN}
            elif keyword.arg == "type":
                result["type"] = self._type(keyword.value)
            else:
                result[keyword.arg] = self._expression(keyword.value)
        return result

    def _type(self, node: ast.expr) -> Any:
        """A `type=`: its value, or for a call such as optional_type(int) the called function's name and argument."""
        if isinstance(node, ast.Call):
            inner = self._type(node.args[0]) if node.args else UNKNOWN
            return (ast.unparse(node.func), inner)
        return self.evaluator.value(node)

    def _register(self, node: ast.Call, parser: Parser) -> None:
        names = self.evaluator.values(node.args)
        self._add(names, self._keywords(node), parser, node)

    def _register_dynamo(self, node: ast.Call, helper: str, parser: Any, keywords: dict[str, Any]) -> None:
        keywords = {**keywords, **{k.arg: self._type(k.value) for k in node.keywords if k.arg == "arg_type"}}
        names = [keywords["flag_name"], *([keywords["obsolete_flag"]] if keywords.get("obsolete_flag") else [])]
        if keywords.get("deprecated") and isinstance(keywords.get("help"), str):
            keywords["help"] = "Deprecated. " + keywords["help"]
        if helper == "add_negatable_bool_argument":
            keywords["action"] = External("argparse.BooleanOptionalAction")
        keywords["type"] = keywords.get("arg_type", External("builtins.str"))
        self._add(names, keywords, parser if isinstance(parser, Parser) else Parser("parser"), node)

    def _register_sglang(self, parser: Any, cls: Any) -> None:
        if not isinstance(cls, Class):
            raise UserError("add_cli_args_from_dataclass is called with a class that cannot be read")
        namespaces = self.packages.lookup(cls.module, "_INPUT_NAMESPACES")
        for source in [*(namespaces if isinstance(namespaces, list) else []), cls]:
            for name, node, keywords in SglangFields(self.packages, source).arguments():
                self._add([name, *keywords.pop("aliases", [])], keywords, parser, node, source.module)

    def _add(
        self, names: list[Any], keywords: dict[str, Any], parser: Parser, node: ast.AST, module: Module | None = None
    ) -> None:
        module = module or self.function.module
        where = f"{module.name}:{getattr(node, 'lineno', 0)}"
        options = [n for n in names if isinstance(n, str) and n.startswith("-")]
        if not options or len(options) != len(names) or any("..." in n for n in options):
            if not (names and all(isinstance(n, str) and not n.startswith("-") for n in names)):
                self.reading.unreadable.append(where)
            return
        action, nargs = keywords.get("action"), keywords.get("nargs")
        form = self._form(action, nargs)
        if form == "no flag":
            return
        kind, nullable = value_type(keywords.get("type"))
        choices = keywords.get("choices")
        options.sort(key=lambda n: not n.startswith("--"))
        self.reading.flags.append(
            Flag(
                names=options,
                form=form,
                type=kind,
                choices=_choices(choices),
                nullable=nullable or keywords.get("nullable", False),
                bounds=keywords.get("bounds", {}),
                help=" ".join(text.split()) if isinstance(text := keywords.get("help"), str) else "",
                module=module.name,
                parser=parser.name,
                refused=self._refusal(action, keywords),
            )
        )

    def _refusal(self, action: Any, keywords: dict[str, Any]) -> str:
        """SGLang's DeprecatedAction with an error_message stops the program."""
        message = keywords.get("error_message")
        return message if getattr(action, "name", "") == "DeprecatedAction" and isinstance(message, str) else ""

    def _form(self, action: Any, nargs: Any) -> str:
        simple = {
            "store_true": "switch",
            "store_false": "switch",
            "store_const": "switch",
            "append_const": "switch",
            "count": "switch",
            "append": "repeat",
            "extend": "list",
            "version": "no flag",
            "help": "no flag",
        }
        if isinstance(action, str) and action in simple:
            return simple[action]
        if isinstance(action, External) and action.last == "BooleanOptionalAction":
            return "bool"
        if isinstance(action, Class):
            if any(isinstance(b, External) and b.last == "BooleanOptionalAction" for b in self.packages.bases(action)):
                return "bool"
            created = self.packages.attribute(action, "__init__")
            if nargs is None and isinstance(created, Function) and isinstance(created.node, ast.FunctionDef):
                spec = created.node.args
                pairs = zip(reversed(spec.args), reversed(spec.defaults), strict=False)
                defaults = {p.arg: d.value for p, d in pairs if isinstance(d, ast.Constant)}
                nargs = defaults.get("nargs")
        if nargs == 0:
            return "switch"
        if nargs == "?":
            return "optional"
        return "list" if nargs in ("+", "*") or isinstance(nargs, int) else "value"


def _choices(choices: Any) -> list[Any] | None:
    if not isinstance(choices, list | tuple | set):
        return None
    values = [c.value if isinstance(c, Member) else c for c in choices]
    return values if values and all(isinstance(v, str | int | float) or v is None for v in values) else None


def value_type(value: Any) -> tuple[str, bool]:
    """The kind of value that an argparse `type=` accepts, and whether it accepts None too."""
    if value is None:
        return "text", False
    if isinstance(value, tuple):
        function, inner = value
        kind, nullable = value_type(inner)
        return kind, nullable or "optional" in function
    name = value.last if isinstance(value, External) else getattr(value, "name", "")
    kinds = {
        "int": "int",
        "float": "float",
        "str": "text",
        "loads": "json",
        "json_list_type": "json",
        "human_readable_int": "count",
        "human_readable_int_or_auto": "count-or-auto",
        "nullable_int": "int",
        "nullable_float": "float",
        "nullable_str": "text",
        "union_dict_and_str": "json-or-text",
    }
    return kinds.get(name, ""), name.startswith("nullable_") or name == "union_dict_and_str"
