"""TLS of a release that runs: its Secret is renewed under load."""

from collections.abc import Callable
from functools import partial
from typing import Any

import trustme

from hack.base.wait import wait_for
from hack.chart.manifests import merged
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from hack.reliability.cases import Case
from hack.reliability.subject import SETTLED_SECONDS, Subject
from hack.reliability.trial import trial
from tests.certificates import secret
from tests.e2e.test_tls import PEERS, names, secured


def rolled(subject: Subject, data: dict[str, str]) -> None:
    """Another content of the Secret, and new frontends and workers."""
    kube, namespace = subject.kube, subject.release.namespace
    kube.core.patch_namespaced_secret("demo-tls", namespace, {"stringData": data})
    ours = ("deployment", "-n", namespace, "-l", f"app.kubernetes.io/instance={subject.release.name}")
    kube.kubectl("rollout", "restart", *ours)
    done = partial(kube.kubectl, "rollout", "status", *ours, "--timeout=20s")
    wait_for("all pods are new", done, lambda _: True, SETTLED_SECONDS)
    subject.settle()


def test_a_renewed_certificate_costs_no_answer(release: Callable[..., Release], kube: Kube) -> None:
    """Of the same authority: a new pod and an old one trust each other, and etcd and NATS stay."""
    demo, authority = release(), trustme.CA()
    # As other releases are rolled, not as those of the quick tests.
    probes = {"probes": {"readiness": {"periodSeconds": 5}}}
    pace: dict[str, Any] = {"global": {"simulation": {"speedupRatio": 1}}, "prefill": probes, "decode": probes}

    def renew(subject: Subject) -> None:
        rolled(subject, secret(authority, *names(demo)))
        server = ("-n", demo.namespace, f"{demo.name}-nats-0")
        kube.kubectl("exec", *server, "--", "nats-server", "--signal", "reload=1")
        log = partial(kube.kubectl, "logs", *server)
        wait_for("NATS reloads", log, lambda text: "Reloaded server configuration" in text, 90)

    case = Case(renew, values=merged(merged(secured(kube, demo, authority), PEERS), pace))
    outcome = trial(demo, "a renewed certificate", case)
    assert outcome.clients["sent"] > 100, outcome
    assert not outcome.lost, outcome
