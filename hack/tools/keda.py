"""KEDA with a few of its scalers: with all, its build needs the clients of every cloud, queue and database."""

import re
import shutil
from pathlib import Path

from hack.base.log import UserError
from hack.base.versions import versions
from hack.tools import gobuild

PATH = "github.com/kedacore/keda/v2"
LDFLAGS = f"-X {PATH}/version.Version={versions()['images']['keda']['version']}"
# Part of the build's key, as everything beside it is.
KEPT = gobuild.GO_MODULES / "keda" / "scalers.txt"
COPIED = ("apis", "cmd", "controllers", "pkg", "version")
# What the kept ones use of a file that goes.
SHARED = 'package scalers\n\nconst externalMetricType = "External"\n'
# One case of the switch that makes a scaler of a trigger's type.
CASE = re.compile(r'\tcase "(?P<type>[\w-]+)"(?:, "[\w-]+")*:\n(?:\t\t.*\n|\t//.*\n)+')


def kept() -> list[str]:
    """The types of triggers that it can be asked for."""
    return KEPT.read_text().split()


def sources(folder: Path) -> None:
    """Write KEDA's module into a folder, without the other scalers."""
    module = gobuild.source("keda", PATH)
    for name in COPIED:
        # The module cache is read-only.
        shutil.copytree(module / name, folder / name, copy_function=shutil.copyfile)
        for directory in (folder / name, *(folder / name).rglob("*/")):
            directory.chmod(0o755)
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(module / name, folder / name)
    builder = folder / "pkg" / "scaling" / "scalers_builder.go"
    text = builder.read_text()
    cases = {match["type"]: match[0] for match in CASE.finditer(text)}
    if missing := set(kept()) - set(cases):
        raise UserError(f"{KEPT}: KEDA has no scaler {', '.join(sorted(missing))}: correct the name")
    builder.write_text(CASE.sub(lambda match: match[0] if match["type"] in kept() else "", text))
    made = {name for one in kept() for name in re.findall(r"scalers\.(New\w+)\(", cases[one])}
    package = folder / "pkg" / "scalers"
    for file in package.glob("*.go"):
        defined = set(re.findall(r"^func (New\w+)\(", file.read_text(), re.MULTILINE))
        if file.name != "scaler.go" and not defined & made:
            file.unlink()
    (package / "shared.go").write_text(SHARED)
