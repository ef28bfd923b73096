"""Which node image a cluster gets: the one given, else a cached own one, else a pulled one, else a built one."""

from dataclasses import dataclass

from hack.base.log import UserError
from hack.base.step import Step
from hack.base.versions import versions
from hack.containers import node_build
from hack.containers.runtimes import Runtime, full_name


@dataclass(frozen=True)
class NodeImage:
    """A node image in the runtime's store."""

    reference: str
    source: str
    own: bool


def provide(runtime: Runtime, given: str | None = None) -> NodeImage:
    """Get a node image into the runtime's store, and say where it came from."""
    step = Step("node-image")
    image = _given(runtime, given, step) if given else _automatic(runtime, step)
    step.say(f"{image.reference} ({image.source})")
    return image


def _given(runtime: Runtime, reference: str, step: Step) -> NodeImage:
    if runtime.inspect_image(reference) is None:
        reference = full_name(reference)
        step.say(f"{reference} is not local, pulling it")
        try:
            runtime.pull(reference, step)
        except UserError as error:
            raise UserError(
                f'node image "{reference}" is neither known to {runtime.name} nor can it be pulled: {error}\n'
                "Give a local image or one your registry has, or leave --image out."
            ) from error
    return NodeImage(reference, "given with --image", own=is_own(runtime, reference))


def is_own(runtime: Runtime, reference: str) -> bool:
    """Whether a local image was built by this project, and so needs the project's pod network."""
    details = runtime.inspect_image(reference) or {}
    return node_build.LABEL in ((details.get("Config") or {}).get("Labels") or {})


def _automatic(runtime: Runtime, step: Step) -> NodeImage:
    own = node_build.reference()
    if runtime.inspect_image(own):
        return NodeImage(own, f"built earlier, in {runtime.name}'s store", own=True)
    if node_build.cached_archive().exists():
        node_build.load(runtime, step)
        return NodeImage(own, "built earlier, from the cached archive", own=True)
    upstream = str(versions()["node-image"]["pulled"])
    if runtime.inspect_image(upstream):
        return NodeImage(upstream, "pulled earlier", own=False)
    try:
        runtime.pull(upstream, step)
    except UserError as error:
        step.say(f"cannot pull {upstream}: {str(error).splitlines()[-1]}")
    else:
        return NodeImage(upstream, "pulled", own=False)
    step.say("building an own one from Debian packages and Go modules; this takes minutes, once")
    node_build.build(runtime, step)
    return NodeImage(own, "built now", own=True)
