"""The build contexts of the images that are built here of Python packages: what their Containerfiles copy."""

import platform
import shutil
import sys
from pathlib import Path

from hack.base.log import UserError
from hack.base.step import Step
from hack.data import aiperf, fake_gpu
from hack.data.runtime import FOLDER, PREVIOUS, PYTHON_VERSION, RENDEZVOUS
from hack.data.runtime.model import write_model

# Parts of packages that nothing runs here; the licenses stay.
UNNEEDED = ("tests", "sboms", "__pycache__")
# Python's names of a processor and those of Python packages.
PROCESSORS = {"arm64": "aarch64", "AMD64": "x86_64"}


def runtime(folder: Path, step: Step, *replaced: Path) -> None:
    """Fill the build context of the simulated runtime; packages of the files `replaced` stand in for its own."""
    _start(folder, FOLDER, step, *replaced)
    plugin = folder / "fake-gpu"
    plugin.mkdir()
    shutil.copy(fake_gpu.PROGRAM, plugin)
    generate_stubs(plugin)
    simulation = folder / "simulation"
    simulation.mkdir()
    shutil.copy(RENDEZVOUS, simulation)
    _world_readable(folder)


def previous_runtime(folder: Path, step: Step) -> None:
    """Fill the build context of the simulated runtime with the Dynamo before."""
    runtime(folder, step, PREVIOUS)


def benchmark(folder: Path, step: Step) -> None:
    """Fill the build context of AIPerf, with the tokenizer of the simulated runtime."""
    _start(folder, aiperf.FOLDER, step)
    _world_readable(folder)


def _start(folder: Path, image: Path, step: Step, *replaced: Path) -> None:
    """What both have: the Containerfile, the pinned packages without what nothing runs, and the model's folder."""
    packages = folder / "site-packages"
    step.say("installing the pinned Python packages")
    processor = PROCESSORS.get(platform.machine(), platform.machine())
    install: list[str | Path] = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", packages]
    target = ["--python-version", PYTHON_VERSION, "--python-platform", f"{processor}-manylinux_2_28"]
    # The last one wins: each is installed over the one before.
    for file in (image / "requirements.txt", *replaced):
        source: list[str | Path] = ["--only-binary", ":all:", "--no-deps", "--require-hashes", "--requirement", file]
        step.run([*install, *target, "--link-mode", "copy", "--upgrade", *source], "uv pip install")
    # Commands of packages, made to run with this machine's Python.
    shutil.rmtree(packages / "bin")
    for name in UNNEEDED:
        for useless in packages.rglob(name):
            shutil.rmtree(useless)
    write_model(folder / "model")
    shutil.copy(image / "Containerfile", folder)


def generate_stubs(folder: Path) -> None:
    """Write the Python modules of the device plugin API."""
    # Imported here: slow, and only needed to build.
    from grpc_tools import protoc

    proto = fake_gpu.PROTO
    arguments = ["protoc", f"-I{proto.parent}", f"--python_out={folder}", f"--grpc_python_out={folder}", proto.name]
    if protoc.main(arguments) != 0:
        raise UserError(f"{proto}: protoc cannot compile it")


def _world_readable(folder: Path) -> None:
    # The umask of whoever builds must not decide what the image's user can read.
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
