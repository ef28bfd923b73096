"""A deployment as any of the inputs describes it, before it is made values of this chart."""

from dataclasses import dataclass, field

from hack.convert.tree import Tree


@dataclass
class Mount:
    """A volume in a container."""

    path: str
    # A volume source as in a pod, e.g. {persistentVolumeClaim: {claimName: x}}.
    source: Tree
    name: str = ""
    sub_path: str = ""
    read_only: bool | None = None
    # Where the operator was asked to keep compiled kernels.
    is_compile_cache: bool = False


@dataclass
class Component:
    """One kind of pod of a deployment."""

    name: str
    # Its path in the input, for messages.
    where: str
    # frontend, prefill, decode, worker (the flags say the role), or something this chart does not have.
    kind: str
    replicas: int | None = None
    # Pods of one worker.
    nodes: int = 1
    image: str = ""
    command: list[str] = field(default_factory=list)
    args: list[str] = field(default_factory=list)
    # By name: a text, or a source as in valueFrom.
    env: Tree = field(default_factory=dict)
    # Secrets whose keys are all variables.
    secrets: list[str] = field(default_factory=list)
    mounts: list[Mount] = field(default_factory=list)
    # {requests: {...}, limits: {...}} as of a container.
    resources: Tree = field(default_factory=dict)
    shared_memory: str = ""
    probes: Tree = field(default_factory=dict)
    labels: Tree = field(default_factory=dict)
    annotations: Tree = field(default_factory=dict)
    # What is left of the pod's and of the container's spec.
    pod: Tree = field(default_factory=dict)
    container: Tree = field(default_factory=dict)


@dataclass
class Graph:
    """A deployment."""

    name: str
    # What it was, for people.
    source: str
    components: list[Component] = field(default_factory=list)
    framework: str = ""
    # Files by their path in a container, or by "ConfigMap/key".
    files: dict[str, str] = field(default_factory=dict)
    # Claims that the input creates: name -> spec.
    claims: dict[str, Tree] = field(default_factory=dict)
    # Templates of resource claims: name -> spec; of a ComputeDomain {"computeDomain": name}.
    claim_templates: dict[str, Tree] = field(default_factory=dict)
    # Values of this chart that the kind of input decides.
    values: Tree = field(default_factory=dict)
    model: str = ""
