"""The programs whose flags the chart knows, and what is known of a flag and of a program."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Flag:
    """One flag of a parser."""

    # Long names first, with their dashes
    names: list[str]
    # bool (--x and --no-x), switch (--x alone), value, list (--x a b), repeat (--x a --x b), optional (--x [a]) or
    # dotted (--x.key)
    form: str
    # Of a value: int, count (1k), count-or-auto, float, text, json, json-or-text; "" when it is not known
    type: str
    help: str
    choices: list[Any] = field(default_factory=list)
    # None or "" is accepted as well
    nullable: bool = False
    # Bounds of a number, as JSON Schema keywords
    bounds: dict[str, float] = field(default_factory=dict)
    # Using it stops the program, with this text
    refused: str = ""
    # A worker has it for the router, which the frontend runs
    for_router: bool = False

    @property
    def name(self) -> str:
        """The first long name, without dashes."""
        return self.names[0].lstrip("-")

    @property
    def long_names(self) -> list[str]:
        """All names that start with two dashes, without them."""
        return [name[2:] for name in self.names if name.startswith("--")]

    @property
    def deprecated(self) -> bool:
        """Whether its help says that it will go."""
        start = self.help.lstrip("[(* ").lower()
        return start.startswith("deprecated") or "deprecated and " in start[:120]


@dataclass(frozen=True)
class Program:
    """A program whose flags are known to the chart."""

    name: str
    product: str
    # Its engine's package, if that has parsers
    package: str
    module: str
    # Builds the parsers, and asks first Dynamo's, then the engine's: the first of these that its version has
    functions: tuple[str, ...]
    # Flags that are accepted outside of argparse
    extra: tuple[Flag, ...] = ()
    # Choices that the program adds when it has read the command line
    extra_choices: dict[str, list[str]] = field(default_factory=dict)
    # Short spellings that are no argparse options
    short: dict[str, str] = field(default_factory=dict)
    # Whether --a_b is the same as --a-b
    underscores: bool = False


PROGRAMS = {
    program.name: program
    for program in (
        Program(
            "vllm",
            "vLLM",
            "vllm",
            "dynamo.vllm.args",
            ("_parse_cli_args", "parse_args"),
            # FlexibleArgumentParser.parse_args handles these before argparse does.
            extra=(Flag(["--config"], "value", "text", "Read options from a YAML file."),),
            short={"-O": "optimization-level"},
            underscores=True,
        ),
        Program(
            "sglang",
            "SGLang",
            "sglang",
            "dynamo.sglang.args",
            ("parse_args",),
            # dynamo/sglang/args.py translates these.
            extra_choices={
                "disaggregation-mode": ["agg", "pd", "encode"],
                # sglang/srt/eplb/eplb_algorithms
                "eplb-algorithm": [
                    "auto",
                    *(
                        f"{name}{suffix}"
                        for name in ("deepseek", "deepseek_vec", "elasticity_aware")
                        for suffix in ("", "_hierarchical")
                    ),
                ],
            },
        ),
        Program(
            "trtllm",
            "TensorRT-LLM",
            "",
            "dynamo.trtllm.args",
            ("parse_args",),
            # dynamo/trtllm/args.py translates the one, and collects --trtllm.<group>.<key> of the other.
            extra=(
                Flag(
                    ["--publish-events-and-metrics"],
                    "bool",
                    "text",
                    "Deprecated. publish-kv-events and publish-metrics.",
                ),
                Flag(
                    ["--trtllm"],
                    "dotted",
                    "text",
                    "One setting of the engine: trtllm.kv_cache_config.free_gpu_memory_fraction.",
                ),
            ),
        ),
        # With --dyn-chat-processor vllm the rest of the command line goes to vLLM's own parser.
        Program("frontend", "dynamo.frontend", "vllm", "dynamo.frontend.main", ("parse_args",)),
    )
}


@dataclass
class Knowledge:
    """What the packages say about a program's flags."""

    program: Program
    dynamo: str
    version: str
    flags: dict[str, Flag]
    # Flags that stop the program -> what it says then
    refused: dict[str, str]
    # What a value of dyn-chat-processor brings in: "flags" of its parser alone, "program" all of whose flags it takes
    borrowed: dict[str, dict[str, Any]]

    @property
    def label(self) -> str:
        """The program and its version, for messages."""
        if self.program.name == "frontend":
            return f"dynamo.frontend {self.dynamo}"
        if not self.program.package:
            return f"dynamo.{self.program.name} {self.dynamo} ({self.program.product} {self.version})"
        return f"{self.program.product} {self.version}"

    @property
    def names(self) -> set[str]:
        """Every long name, negations among them."""
        names = {name for flag in self.flags.values() for name in flag.long_names}
        return names | {f"no-{name}" for f in self.flags.values() if f.form == "bool" for name in f.long_names}


def kind(program: Program, flag: Flag) -> str:
    """How a flag is written on a command line, for dynamo-disagg.programArgs: its form, or what decides more."""
    if flag.for_router:
        return "router"
    is_json = flag.form == "value" and flag.type.startswith("json")
    return "json" if is_json and program.underscores else flag.form
