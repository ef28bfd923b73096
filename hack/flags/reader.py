"""Read the flags that a program's own parsers accept: `flagreader.py FOLDER MODULE FUNCTION,... [ARGUMENT...]`.

Meant for a process of its own, with an empty environment: it imports the packages unpacked in FOLDER and calls
the first FUNCTION that MODULE has with the arguments. What they need and is not in REAL (torch, CUDA libraries) is
imitated, so that the answer does not depend on what is installed here. Printed is a JSON list with one entry for each
parser that was asked:
{"by": the function that asked it, "flags": what described() says about each}.
"""

import argparse
import asyncio
import importlib
import importlib.metadata
import inspect
import json
import sys
from collections.abc import Coroutine, Iterator
from enum import Enum
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import FunctionType, ModuleType
from typing import Any, Union, cast

# Packages whose own behaviour decides what the flags are.
REAL = {"annotated_types", "msgspec", "packaging", "pydantic", "pydantic_core", "regex", "typing_extensions"}
REAL |= {"typing_inspection", "yaml", *sys.stdlib_module_names}
# Those of other accelerators are not there: the machine that is imitated has NVIDIA GPUs.
ABSENT = ("libtpu", "npu")
FORMS = {
    argparse._StoreConstAction: "switch",
    argparse._AppendConstAction: "switch",
    argparse._CountAction: "switch",
    argparse.BooleanOptionalAction: "bool",
    argparse._ExtendAction: "list",
    argparse._AppendAction: "repeat",
}
# What the functions accept that are given as `type=`; of another one nothing is known.
TYPES = {
    "int": "int",
    "float": "float",
    "str": "text",
    "loads": "json",
    "_conditional_disagg_config_arg": "json",
    "json_list_type": "json",
    "parse_dataclass": "json",
    "human_readable_int": "count",
    "human_readable_int_or_auto": "count-or-auto",
    "nullable_int": "int",
    "nullable_float": "float",
    "nullable_str": "text",
    "union_dict_and_str": "json-or-text",
}
BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


# Imitations


class Base:
    """What a class inherits from whose base is imitated."""

    def __init_subclass__(cls, **_: Any) -> None: ...
    def __class_getitem__(cls, _: Any) -> type:
        return cls


class Imitation:
    """Anything of a package that is not here: it may be called, indexed, inherited from or be a type."""

    def __init__(self, name: str) -> None:
        self.__dict__.update(__name__=name, __qualname__=name, __module__="imitated")

    def __getattr__(self, name: str) -> Any:
        return imitated(self.__dict__.get("__name__", ""), name)

    def __call__(self, *arguments: Any, **_: Any) -> Any:
        # As a decorator it changes nothing.
        decorates = len(arguments) == 1 and isinstance(arguments[0], type | FunctionType)
        return arguments[0] if decorates else Imitation(f"{self.__name__}()")

    def __mro_entries__(self, _: Any) -> tuple[type]:
        return (Base,)

    def __or__(self, other: Any) -> Any:
        return Union.__getitem__((self, other))

    __ror__ = __or__

    def __bool__(self) -> bool:
        return ".cuda" in self.__name__ or "nvml" in self.__name__

    def __gt__(self, _: Any) -> bool:
        return bool(self)

    def __le__(self, _: Any) -> bool:
        return not self

    def __str__(self) -> str:
        return "9.0"

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __getitem__(self, _: Any) -> Any:
        return self

    def __setitem__(self, *_: Any) -> None: ...


def imitated(owner: str, name: str) -> Imitation:
    """An attribute of an imitated module or object."""
    if name.startswith("__") or name in ABSENT:
        raise AttributeError(name)
    return Imitation(f"{owner}.{name}")


class Imitator(Loader):
    """Loads a module that is not here."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return ModuleType(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update(__path__=[], __version__="9.0", __getattr__=partial(imitated, module.__name__))


class Tolerant(Loader):
    """Loads a module of the packages: what it lacks when its import fails half-way is imitated."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> Any:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        try:
            self.loader.exec_module(module)
        except Exception:
            # Dynamo's own modules need no GPU.
            if module.__name__.startswith("dynamo."):
                raise
            module.__dict__["__getattr__"] = partial(imitated, module.__name__)


class Finder(MetaPathFinder):
    """Finds the packages in a folder, and imitates what they need."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def find_spec(self, name: str, path: Any, _: Any = None) -> ModuleSpec | None:
        """As Python asks it: a module by its full name."""
        package, _, last = name.rpartition(".")
        if name.partition(".")[0] in REAL or name in ABSENT:
            return None
        # vLLM's copy of pynvml is real, but asks for the driver.
        spec = None if last == "pynvml" else PathFinder.find_spec(name, [self.folder] if path is None else path)
        if spec:
            spec.loader = spec.loader and Tolerant(spec.loader)
            return spec
        # `from package import name` asks for a module too; only compiled ones are missing from a package.
        if hasattr(sys.modules.get(package), "__file__") and not last.startswith(("_C", "pynvml")):
            return None
        return ModuleSpec(name, Imitator(), is_package=True)


# Parsers


def asked(module: str, functions: str, arguments: list[str]) -> list[tuple[str, argparse.ArgumentParser]]:
    """The parsers that the first of these functions asks until it fails, and for each the function that asks it."""
    found: list[tuple[str, argparse.ArgumentParser]] = []
    ask = argparse.ArgumentParser.parse_known_args

    def noted(self: argparse.ArgumentParser, *rest: Any, **keywords: Any) -> Any:
        frame: Any = sys._getframe(1)
        while frame.f_locals.get("self") is self:
            frame = frame.f_back
        found.append((frame.f_code.co_name, self))
        return ask(self, *rest, **keywords)

    argparse.ArgumentParser.parse_known_args = noted  # type: ignore[method-assign]
    # vLLM gives its flags a text only for those who ask for help.
    sys.argv[1:] = ["--help"]
    loaded = importlib.import_module(module)
    called = next(getattr(loaded, name) for name in functions.split(",") if hasattr(loaded, name))
    sys.argv[1:] = arguments
    try:
        answer = called(*[arguments] * len(inspect.signature(called).parameters))
        if inspect.isawaitable(answer):
            asyncio.run(cast(Coroutine[Any, Any, Any], answer))
    except (Exception, SystemExit) as error:
        print(f"after {len(found)} parsers: {type(error).__name__}: {error}", file=sys.stderr)
    return found


def described(action: argparse.Action) -> dict[str, Any]:
    """One flag, as the class Flag of programs.py has it."""
    kind, nullable = type_of(action.type)
    names = sorted(action.option_strings, key=lambda n: not n.startswith("--"))
    choices = [c.value if isinstance(c, Enum) else c for c in action.choices or []]
    text = "" if action.help in (None, argparse.SUPPRESS) else str(action.help).replace("%%", "%")
    return {
        "names": [n for n in names if not (n.startswith("--no-") and f"--{n[5:]}" in names)],
        "form": form_of(action),
        "type": kind,
        "nullable": nullable,
        "choices": choices,
        "bounds": bounds_of(action.dest),
        "help": " ".join(text.split()),
        "refused": getattr(action, "error_message", None) or "",
    }


def form_of(action: argparse.Action) -> str:
    """bool (--x and --no-x), switch (--x alone), value, list (--x a b), repeat (--x a --x b) or optional (--x [a])."""
    for base in type(action).__mro__:
        if base in FORMS:
            return FORMS[base]
    forms: dict[Any, str] = {None: "value", "?": "optional", 0: "switch"}
    return forms.get(action.nargs, "list")


def type_of(function: Any) -> tuple[str, bool]:
    """What a `type=` accepts (a value of TYPES or ""), and whether it accepts None too."""
    name = getattr(function, "__name__", "str")
    nullable = name in ("_optional_type", "union_dict_and_str") or name.startswith("nullable_")
    if name in ("_optional_type", "_parse_type"):
        # vLLM wraps one function in another.
        kind, inner = type_of(inspect.getclosurevars(function).nonlocals["return_type"])
        return kind, nullable or inner
    return TYPES.get(name, ""), nullable


def bounds_of(field: str) -> dict[str, float]:
    """The bounds of a field of a config class of vLLM's, as JSON Schema has them; argparse does not know them."""
    found = []
    for cls in vars(sys.modules.get("vllm.config", argparse)).values():
        declared = getattr(cls, "__pydantic_fields__", {}).get(field)
        limits = getattr(declared, "metadata", [])
        if declared is not None:
            found.append({BOUNDS[k]: getattr(limit, k) for limit in limits for k in BOUNDS if hasattr(limit, k)})
    # Two classes may have fields of one name.
    return found[0] if found and all(bounds == found[0] for bounds in found) else {}


def run(folder: str, module: str, functions: str, *arguments: str) -> None:
    """Print what the parsers know."""
    # What is printed is the answer alone: vLLM logs to standard output when it is imported.
    answer, sys.stdout = sys.stdout, sys.stderr
    sys.meta_path.insert(0, Finder(folder))
    importlib.metadata.version = lambda distribution_name: "99.0"
    no_flag = argparse._HelpAction | argparse._VersionAction
    parsers = asked(module, functions, list(arguments))
    found = [
        {"by": by, "flags": [described(a) for a in parser._actions if a.option_strings and not isinstance(a, no_flag)]}
        for by, parser in parsers
    ]
    print(json.dumps(found), file=answer)


if __name__ == "__main__":
    run(*sys.argv[1:])
