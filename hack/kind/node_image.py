"""Which node image a cluster gets: the one given, else a cached own one, else a pulled one, else a built one."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from hack.kind import node_build
from hack.kind.engine import Engine
from hack.kind.loading import full_name
from hack.log import UserError
from hack.progress import Step
from hack.versions import versions

# A registry that has not answered by then counts as not there; the pull itself may take as long as it needs.
REGISTRY_SECONDS = 20


@dataclass(frozen=True)
class NodeImage:
    """A node image in the engine's store."""

    reference: str
    source: str
    own: bool


def provide(engine: Engine, given: str | None = None) -> NodeImage:
    """Get a node image into the engine's store, and say where it came from."""
    step = Step("node-image")
    image = _given(engine, given, step) if given else _automatic(engine, step)
    step.say(f"{image.reference} ({image.source})")
    return image


def _given(engine: Engine, reference: str, step: Step) -> NodeImage:
    if engine.inspect_image(reference) is None:
        reference = full_name(reference)
        step.say(f"{reference} is not local, pulling it")
        try:
            _pull(engine, reference, step)
        except UserError as error:
            raise UserError(
                f'node image "{reference}" is neither known to {engine.name} nor can it be pulled: {error}\n'
                "Give a local image or one your registry has, or leave --image out."
            ) from error
    return NodeImage(reference, "given with --image", own=is_own(engine, reference))


def is_own(engine: Engine, reference: str) -> bool:
    """Whether a local image was built by this project, and so needs the project's pod network."""
    details = engine.inspect_image(reference) or {}
    return node_build.LABEL in ((details.get("Config") or {}).get("Labels") or {})


def _automatic(engine: Engine, step: Step) -> NodeImage:
    own = node_build.reference()
    if engine.inspect_image(own):
        return NodeImage(own, f"built earlier, in {engine.name}'s store", own=True)
    if node_build.cached_archive().exists():
        node_build.load(engine, step)
        return NodeImage(own, "built earlier, from the cached archive", own=True)
    upstream = str(versions()["node-image"]["pulled"])
    if engine.inspect_image(upstream):
        return NodeImage(upstream, "pulled earlier", own=False)
    try:
        _pull(engine, upstream, step)
    except UserError as error:
        step.say(f"cannot pull {upstream}: {_last_line(str(error))}")
    else:
        return NodeImage(upstream, "pulled", own=False)
    step.say("building an own one from Debian packages and Go modules; this takes minutes, once")
    node_build.build(engine, step)
    return NodeImage(own, "built now", own=True)


def _pull(engine: Engine, reference: str, step: Step) -> None:
    """Ask the registry first: it answers quickly or never, a pull may take minutes."""
    try:
        answer = engine.run("manifest", "inspect", reference, timeout=REGISTRY_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"the registry did not answer within {REGISTRY_SECONDS} s") from error
    if answer.returncode != 0:
        raise UserError(answer.stderr.strip() or f"{engine.name} manifest inspect failed")
    command = [engine.name, "pull", reference]
    step.run(command, f"pulling {reference}", env=engine.environment, observe=lambda line: line[:100])


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1]
