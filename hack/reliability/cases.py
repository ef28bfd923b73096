"""The cases of docs/reliability.md: what happens to a release of which values."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hack.base.wait import pause
from hack.chart.helm import Values
from hack.chart.manifests import merged, nested
from hack.containers.build_images import images, loaded
from hack.reliability import cuts, faults, planned
from hack.reliability.subject import COMPONENTS, MEANT, Subject


@dataclass(frozen=True)
class Loss:
    """What clients lose though the chart does what it can: why, and at most how much of each kind (None: no limit)."""

    why: str = ""
    most: Mapping[str, int] | None = field(default_factory=dict)

    def covers(self, lost: Mapping[str, int]) -> bool:
        """Whether nothing else was lost, and nothing more often, than is known to."""
        return self.most is None or Counter(lost) <= Counter(self.most)


@dataclass(frozen=True)
class Case:
    """
    What happens, what clients lose in it, and to which release: its values, images that not every cluster has (with
    "lws" that controller runs too), the Helm that made it, the commit of its chart (empty is this one). `tokens` is the
    length of the long answers. An `outage` is as long as the release's pods say before it.
    """

    act: Callable[[Subject], None]
    loses: Loss = Loss()
    values: Values = field(default_factory=dict)
    images: tuple[str, ...] = ()
    helm: str = "helm"
    commit: str = ""
    tokens: int = 512
    outage: bool = False


ALONE = "decode alone"
# Each of these moments takes milliseconds, and a client asks once in it: all of them, at worst.
CLIENTS = 8
ACTIVATION = Loss(
    "503 for some milliseconds, from a new generation's last worker to the activation of its prefill router in the "
    "frontend ([Dynamo 1.6.1](../findings/dynamo-ready-before-its-prefill-router.sh)): clients or a gateway ask again; "
    "and a decode worker is asked alone by requests on their way when the old generation's last prefill worker goes "
    "([Dynamo 1.6.1](../findings/dynamo-last-prefill-worker-is-left-out.sh))",
    {"503": CLIENTS, ALONE: CLIENTS},
)
ROLLBACK = Loss(
    f"{ACTIVATION.why}; and 500 when a generation's last worker goes, in whatever order they do here",
    {"503": CLIENTS, ALONE: CLIENTS, "500": 1},
)
# Half of the eight clients, by how far their requests were.
STREAMS = dict.fromkeys(("no end marker", "ConnectionResetError", "RemoteDisconnected"), 4)
FORCED = Loss("the streams of the killed frontend are its own", STREAMS)
KILLED = Loss(
    f"{FORCED.why}, and new connections reach it until Kubernetes sees its end",
    {**STREAMS, "ConnectionRefusedError": 12},
)
OUTAGE = Loss("with one worker of a role and no room for another the old one ends before the new one starts", None)
OTHER_DISCOVERY = Loss(
    "the upgrade takes the rights to the old discovery away, and old frontends lost workers that still served: put a "
    "second release beside this one; the chart refuses the upgrade unless it is meant",
    None,
)
NO_WORKER = Loss(
    "no worker of the role is left until Kubernetes has started one, nor one that takes what was in flight", None
)
GONE = Loss("what is in flight ends, and the release is gone until it is installed again", None)
COMPARED = Loss("what the row above is compared with", None)

SMALL: Values = {"requests": {"cpu": "20m"}}
# Two nodes of eight GPUs are full with it.
FULL: Values = {
    "replicas": 1,
    "parallelism": {"tensor": 8},
    "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
    # As an engine that loads and compiles: the mocker's own --startup-time comes after it is ready
    # (findings/dynamo-mocker-ready-before-its-startup-time.sh).
    "initContainers": [
        {"name": "start", "image": images()["sim-runtime"].reference, "command": ["sleep", "100"], "resources": SMALL}
    ],
}
# As whoever knows that prompts are short: an answer that stands still is moved sooner than after a minute. With a node
# workers of both roles go, and an answer that moves tries both first (templates/validate/_outages.tpl).
SHORT_PROMPTS: Values = {"frontend": {"streamTimeoutSeconds": 8}}
# A prompt of these clients takes about a second.
SLOW_PROMPTS: Values = {"prefill": {"engineArgs": {"max-num-batched-tokens": 2}}}
OF_A_NODE: Values = {"frontend": {"streamTimeoutSeconds": 12}}
# Workers of two pods, with a GPU each.
GROUPS: Values = {
    "global": {"hardwareSpec": {"gpusPerNode": 1}},
    **{role: {"parallelism": {"tensor": 2}} for role in ("prefill", "decode")},
}
ETCD: Values = {
    "global": {"discovery": {"backend": "etcd"}},
    "etcd": {"enabled": True, "replicas": 3, "image": loaded("etcd"), "resources": SMALL},
}
NATS: Values = merged(
    ETCD,
    {
        "global": {"requestPlane": "nats", "eventPlane": "nats"},
        "nats": {"enabled": True, "replicas": 3, "image": loaded("nats"), "resources": SMALL},
    },
)
PREVIOUS = loaded("sim-runtime-previous")
FIRST_STAGE = "d377e51"


def _of_version(image: dict[str, str]) -> Values:
    """A release of the Dynamo that an image has."""
    return {"global": {"engine": {"image": {"tag": image["tag"]}}, "simulation": {"image": image}}}


def _upgrade(*components: str) -> Callable[[Subject], None]:
    return lambda subject: subject.upgrade(planned.stamp(*components))


def _stop(component: str, seconds: float, *, all_of_them: bool = False) -> Callable[[Subject], None]:
    def act(subject: Subject) -> None:
        with faults.stopped(subject.release, component, all_of_them=all_of_them):
            pause(seconds)

    return act


def _on(fault: Callable[..., None], *arguments: Any) -> Callable[[Subject], None]:
    """A fault of the release, such as one of a component."""
    return lambda subject: fault(subject.release, *arguments)


def _kill_three(subject: Subject) -> None:
    for seconds in (60, 60, 0):
        faults.kill(subject.release, "decode")
        pause(seconds)


PLANNED: dict[str, Case] = {
    "an upgrade of prefill": Case(_upgrade("prefill")),
    "an upgrade of decode": Case(_upgrade("decode")),
    "an upgrade of the frontend": Case(_upgrade("frontend")),
    "an upgrade of the frontend, long answers": Case(_upgrade("frontend"), tokens=4000),
    "an upgrade of decode, etcd and NATS": Case(_upgrade("decode"), values=NATS),
    "an upgrade of the frontend, etcd and NATS": Case(_upgrade("frontend"), values=NATS),
    "an upgrade of all, and again": Case(planned.twice),
    "an upgrade of the only workers": Case(
        _upgrade("prefill", "decode"),
        loses=OUTAGE,
        values={"prefill": FULL, "decode": FULL},
        outage=True,
    ),
    "another block size": Case(
        lambda subject: subject.upgrade(nested("global.kvCache.blockSize", 64)), loses=ACTIVATION
    ),
    "another block size, slow prompts": Case(
        lambda subject: subject.upgrade(nested("global.kvCache.blockSize", 64)), loses=ACTIVATION, values=SLOW_PROMPTS
    ),
    "another block size, LeaderWorkerSets": Case(
        lambda subject: subject.upgrade(nested("global.kvCache.blockSize", 64)),
        loses=ACTIVATION,
        values=GROUPS,
        images=("lws",),
    ),
    "another block size, a DisaggregatedSet": Case(
        lambda subject: subject.upgrade(nested("global.kvCache.blockSize", 64)),
        loses=ACTIVATION,
        values=merged(GROUPS, nested("global.multiNode.controller", "disaggregatedset")),
        images=("lws",),
    ),
    "another dtype": Case(
        lambda subject: subject.upgrade(nested("global.engine.args", {"dtype": "float16"})), loses=ACTIVATION
    ),
    "another image": Case(planned.another_image, loses=ACTIVATION),
    "from Kubernetes' discovery to etcd": Case(
        lambda subject: subject.upgrade(merged(ETCD, MEANT)), loses=OTHER_DISCOVERY
    ),
    f"from Dynamo {PREVIOUS['tag']}": Case(
        lambda subject: subject.upgrade(_of_version(loaded("sim-runtime"))),
        loses=ACTIVATION,
        values=_of_version(PREVIOUS),
        images=("sim-runtime-previous",),
    ),
    "from Helm 3 to Helm 4": Case(planned.by_helm_4, helm="helm3"),
    f"from the chart of {FIRST_STAGE}": Case(planned.by_helm_4, helm="helm3", commit=FIRST_STAGE, loses=ACTIVATION),
    "a rollback in the middle": Case(planned.rollback, loses=ROLLBACK),
    "a missing image, and a rollback": Case(planned.missing_image),
    "a prefill worker more, and less": Case(planned.scale("prefill")),
    "a decode worker more, and less": Case(planned.scale("decode")),
    "a frontend more, and less": Case(planned.scale("frontend")),
    "kubectl scale, and an upgrade": Case(planned.kubectl_scale),
    "a rotated token, and restarts": Case(planned.rotate_token),
    "restarted LeaderWorkerSets": Case(planned.restart_groups, values=GROUPS, images=("lws",)),
    "a drained node": Case(planned.drain),
    "an uninstall, and an install": Case(planned.uninstall, loses=GONE),
}

FAULTS: dict[str, Case] = {
    **{f"a deleted {name} pod": Case(planned.delete(name)) for name in COMPONENTS},
    "a deleted decode pod, long answers": Case(planned.delete("decode"), tokens=4000),
    **{
        f"a {name} pod deleted by force": Case(
            planned.delete(name, "--force", "--grace-period=0"), loses=FORCED if name == "frontend" else Loss()
        )
        for name in COMPONENTS
    },
    **{
        f"a killed {name} process": Case(_on(faults.kill, name), loses=KILLED if name == "frontend" else Loss())
        for name in COMPONENTS
    },
    **{
        f"a killed {name} process, etcd and NATS": Case(_on(faults.kill, name), values=NATS)
        for name in ("prefill", "decode")
    },
    "three killed decode processes, one a minute": Case(_kill_three),
    "all decode processes killed": Case(_on(faults.kill_all, "decode"), loses=NO_WORKER),
    "a prefill worker that hangs": Case(_on(faults.hang, "prefill"), values=SHORT_PROMPTS),
    "a decode worker that hangs": Case(_on(faults.hang, "decode"), values=SHORT_PROMPTS),
    f"a decode worker that hangs, chart of {FIRST_STAGE}": Case(
        _on(faults.hang, "decode"), commit=FIRST_STAGE, loses=COMPARED
    ),
    "a decode worker stopped for 30 s": Case(_stop("decode", 30), values=SHORT_PROMPTS),
    "a decode pod cut off for 30 s": Case(_on(cuts.pod, "decode", 30), values=SHORT_PROMPTS),
    "a prefill pod cut off for 30 s": Case(_on(cuts.pod, "prefill", 30), values=SHORT_PROMPTS),
    "the pods of a node cut off for 120 s": Case(_on(cuts.pods_of_node, "decode", 120), values=OF_A_NODE),
    "a node cut off for 120 s": Case(_on(cuts.node, "decode", 120), values=OF_A_NODE),
    "a node cut off for 120 s, etcd and NATS": Case(_on(cuts.node, "decode", 120), values=merged(NATS, OF_A_NODE)),
    "a node's GPUs unhealthy for 30 s": Case(_on(faults.break_gpus, "decode", 30)),
    "a restarted kubelet": Case(_on(faults.restart_kubelet)),
    "a killed API server": Case(_on(faults.kill_api_server)),
    "an API server stopped for 60 s": Case(_on(faults.stop_api_server, 60)),
    "a deleted etcd member": Case(planned.delete("etcd"), values=ETCD),
    "a killed etcd process": Case(_on(faults.kill, "etcd"), values=ETCD),
    "an etcd member without its volume": Case(planned.lose_a_volume, values=ETCD),
    "all etcd members stopped for 20 s": Case(_stop("etcd", 20, all_of_them=True), values=ETCD),
    "etcd away for 20 s": Case(lambda subject: planned.away(subject, "etcd", 20), values=ETCD),
    "a deleted NATS server": Case(planned.delete("nats"), values=NATS),
    "a NATS server deleted by force": Case(planned.delete("nats", "--force", "--grace-period=0"), values=NATS),
    "a killed NATS process": Case(_on(faults.kill, "nats"), values=NATS),
}

CASES = PLANNED | FAULTS
