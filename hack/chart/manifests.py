"""Rendered objects, and the questions tests ask about them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

COMPONENT = "app.kubernetes.io/component"
# Components whose pods have GPUs.
WORKERS = ("prefill", "decode", "encode")
INSTANCE = "app.kubernetes.io/instance"
RANK = "dynamo-disagg/rank"
GENERATION = "dynamo-disagg/generation"
SCALERS = {"HorizontalPodAutoscaler": "minReplicas", "ScaledObject": "minReplicaCount"}
WORKLOAD_KINDS = ("Deployment", "StatefulSet", "LeaderWorkerSet", "DisaggregatedSet", "Job", "CronJob", "Pod")


@dataclass(frozen=True)
class Container:
    """One container of a pod template."""

    owner: str
    spec: Object
    init: bool = False

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.spec["name"])

    @property
    def id(self) -> str:
        """Kind/name/container, for test ids."""
        return f"{self.owner}/{self.name}"

    def args(self) -> list[str]:
        """Command and arguments, as the process gets them."""
        return [*self.spec.get("command", []), *self.spec.get("args", [])]

    def flag(self, name: str) -> str | None:
        """The value of `--name value` or `--name=value`; "" for a bare flag, None when it is absent."""
        arguments = self.args()
        for position, argument in enumerate(arguments):
            if argument.startswith(f"--{name}="):
                return argument.partition("=")[2]
            if argument == f"--{name}":
                following = arguments[position + 1 : position + 2]
                return following[0] if following and not following[0].startswith("--") else ""
        return None

    def env(self) -> dict[str, Any]:
        """Environment by name: the text, or the valueFrom source."""
        return {e["name"]: e.get("valueFrom", e.get("value", "")) for e in self.spec.get("env", [])}


@dataclass(frozen=True)
class PodTemplate:
    """A pod or a pod template, with the object it belongs to."""

    owner: Object
    metadata: Object
    spec: Object
    # Which of the owner's templates, where it has several: leader or worker, of a DisaggregatedSet behind the role.
    part: str = ""
    # How many pods the owner makes of it.
    count: int = 1

    @property
    def id(self) -> str:
        """Kind/name of the owner, and which of its templates, for test ids."""
        return f"{object_id(self.owner)}{self.part and f'/{self.part}'}"

    @property
    def leads(self) -> bool:
        """Whether the pods serve requests: all but the ranks >= 1 of a worker whose leader alone does."""
        return self.labels.get(RANK) != "worker" or "nvidia.com/metrics-enabled" in self.labels

    @property
    def labels(self) -> dict[str, str]:
        """The pod's labels."""
        return dict(self.metadata.get("labels", {}))

    def containers(self) -> list[Container]:
        """Init containers first, then the others."""
        init = [Container(self.id, spec, init=True) for spec in self.spec.get("initContainers", [])]
        return [*init, *(Container(self.id, spec) for spec in self.spec["containers"])]

    def container(self, name: str | None = None) -> Container:
        """The container of this name, or the only regular one."""
        found = [c for c in self.containers() if (c.name == name if name else not c.init)]
        if len(found) != 1:
            raise LookupError(f"{self.id}: {len(found)} containers match {name!r}")
        return found[0]

    def volumes(self) -> dict[str, Object]:
        """Volumes by name."""
        return {v["name"]: v for v in self.spec.get("volumes", [])}


class Manifests(tuple[Object, ...]):
    """The objects of one render."""

    def all(self, kind: str | None = None, *, name: str | None = None, component: str | None = None) -> list[Object]:
        """The objects that match everything that is given."""
        return [
            o
            for o in self
            if (kind is None or o["kind"] == kind)
            and (name is None or o["metadata"]["name"] == name)
            and (component is None or o["metadata"].get("labels", {}).get(COMPONENT) == component)
        ]

    def one(self, kind: str, *, name: str | None = None, component: str | None = None) -> Object:
        """The only object that matches; an error lists what there is."""
        found = self.all(kind, name=name, component=component)
        if len(found) != 1:
            wanted = f"{kind} name={name} component={component}"
            raise LookupError(f"{len(found)} objects match {wanted}; rendered: {self.ids()}")
        return found[0]

    def ids(self) -> list[str]:
        """Kind/name of every object, sorted."""
        return sorted(map(object_id, self))

    def pods(self, component: str | None = None) -> list[PodTemplate]:
        """Every pod template, or those of one component."""
        owners = [item for item in self if item["kind"] in WORKLOAD_KINDS]
        found = [pods for owner in owners for pods in _templates(owner, self._least(owner))]
        return [p for p in found if component is None or p.labels.get(COMPONENT) == component]

    def _least(self, owner: Object) -> int:
        """The number of a workload that says none: what its scaler keeps at least, or Kubernetes' own."""
        for kind, least in SCALERS.items():
            for scaler in self.all(kind):
                target = scaler["spec"]["scaleTargetRef"]
                if (target["kind"], target["name"]) == (owner["kind"], owner["metadata"]["name"]):
                    return int(scaler["spec"][least])
        return 1

    def pod(self, component: str) -> PodTemplate:
        """The only pod template of a component, hooks aside."""
        found = [p for p in self.pods(component) if not is_hook(p.owner)]
        if len(found) != 1:
            raise LookupError(f"{len(found)} pod templates of {component}; rendered: {self.ids()}")
        return found[0]

    def claimed(self, pod: PodTemplate, device_class: str) -> int:
        """How many devices of a class a pod's claims ask for."""
        names = {claim["resourceClaimTemplateName"] for claim in pod.spec.get("resourceClaims", [])}
        return sum(
            int(request["exactly"]["count"])
            for template in self.all("ResourceClaimTemplate")
            if template["metadata"]["name"] in names
            for request in template["spec"]["spec"]["devices"]["requests"]
            if request["exactly"]["deviceClassName"] == device_class
        )

    def leaders(self, component: str) -> list[PodTemplate]:
        """A pool's pod templates whose pods serve requests."""
        return [p for p in self.pods(component) if p.leads]

    def ranks(self, component: str) -> list[PodTemplate]:
        """A pool's pod templates of ranks >= 1."""
        return [p for p in self.pods(component) if not p.leads]

    def containers(self) -> list[Container]:
        """Every container of every pod template."""
        return [c for pod in self.pods() for c in pod.containers()]


def _templates(owner: Object, least: int) -> Iterator[PodTemplate]:
    """The pod templates of a workload, with the number of pods where it says none."""
    spec = owner.get("spec", {})
    if owner["kind"] == "LeaderWorkerSet":
        yield from _of_group(owner, spec, least)
    elif owner["kind"] == "DisaggregatedSet":
        for role in spec["roles"]:
            yield from _of_group(owner, role["spec"], least, f"{role['name']}/")
    elif owner["kind"] == "CronJob":
        template = spec["jobTemplate"]["spec"]["template"]
        yield PodTemplate(owner, template["metadata"], template["spec"])
    else:
        template = owner if owner["kind"] == "Pod" else spec["template"]
        yield PodTemplate(owner, template["metadata"], template["spec"], count=int(spec.get("replicas", least)))


def _of_group(owner: Object, spec: Object, least: int, role: str = "") -> Iterator[PodTemplate]:
    """The pod templates of a LeaderWorkerSet's spec. Without a leader's the first pod is made of the workers'."""
    both = spec["leaderWorkerTemplate"]
    size = int(both["size"])
    parts = {"leader": 1, "worker": size - 1} if "leaderTemplate" in both else {"worker": size}
    for part, each in parts.items():
        template = both[f"{part}Template"]
        count = int(spec.get("replicas", least)) * each
        yield PodTemplate(owner, template["metadata"], template["spec"], f"{role}{part}", count)


def object_id(item: Object) -> str:
    """Kind/name."""
    return f"{item['kind']}/{item['metadata']['name']}"


def is_hook(item: Object) -> bool:
    """Whether Helm runs the object at some point instead of keeping it as part of the release."""
    return "helm.sh/hook" in item["metadata"].get("annotations", {})


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Values merged as Helm does it, the last ones on top: maps merge, everything else replaces."""
    result: dict[str, Any] = {}
    for key, value in (entry for layer in layers for entry in layer.items()):
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return result


def nested(path: str | Sequence[str], value: Any) -> dict[str, Any]:
    """`a.b.c` and a value as nested maps; a sequence where a key itself holds a dot."""
    keys = path.split(".") if isinstance(path, str) else list(path)
    for key in reversed(keys):
        value = {key: value}
    return dict(value)
