"""helm test and the canary on a real release: they pass while it is whole, and name what is missing when it is not."""

from collections.abc import Callable
from typing import Any

import pytest

from hack.base.wait import wait_for
from hack.chart.manifests import merged
from hack.chart.scenarios import SIMULATE
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from hack.verbs import cli
from tests.e2e.quick import QUICK

# Never by itself: the test starts it.
CANARY = {"canary": {"enabled": True, "schedule": "0 0 29 2 *"}}

MakeRelease = Callable[..., Release]


def run(*arguments: str) -> int:
    """The exit code of the verb."""
    try:
        return cli.run(["verify", *arguments])
    except SystemExit as end:
        return int(end.code or 0)


def canary(kube: Kube, namespace: str, run: str) -> Any:
    """The status of one run of the canary, as its schedule would start it."""
    schedule = kube.batch.read_namespaced_cron_job("demo-canary", namespace)
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "demo-canary", "uid": schedule.metadata.uid}
    metadata = {"name": run, "ownerReferences": [owner]}
    kube.batch.create_namespaced_job(namespace, {"metadata": metadata, "spec": schedule.spec.job_template.spec})
    return wait_for(
        f"{run} has ended",
        lambda: kube.batch.read_namespaced_job(run, namespace).status,
        lambda status: status.succeeded or status.failed,
        120,
    )


def test_the_canary_fails_when_a_role_is_gone(release: MakeRelease, kube: Kube) -> None:
    demo = release()
    demo.install(merged(QUICK, CANARY), files=[SIMULATE])
    demo.endpoint.wait_for_model("Qwen/Qwen3-0.6B")
    assert "OK: 2 proved, 2 simulated" in demo.test()
    assert canary(kube, demo.namespace, "whole").succeeded == 1
    kube.apps.patch_namespaced_deployment_scale("demo-prefill", demo.namespace, {"spec": {"replicas": 0}})
    failed = canary(kube, demo.namespace, "broken")
    assert [c.reason for c in failed.conditions if c.type == "Failed"] == ["BackoffLimitExceeded"]
    (pod,) = kube.core.list_namespaced_pod(demo.namespace, label_selector="job-name=broken").items
    assert "missing worker types: prefill" in pod.status.container_statuses[0].state.terminated.message
    warnings = kube.core.list_namespaced_event(demo.namespace, field_selector="type=Warning").items
    assert ("Job", "broken", "BackoffLimitExceeded") in {
        (w.involved_object.kind, w.involved_object.name, w.reason) for w in warnings
    }


def test_an_aggregated_release_is_proved_by_the_command(
    release: MakeRelease, kube: Kube, capfd: pytest.CaptureFixture[str]
) -> None:
    demo = release()
    demo.install(merged(QUICK, {"global": {"serving": "aggregated"}}), files=[SIMULATE])
    where = ["-n", demo.namespace, "--kubeconfig", str(kube.kubeconfig)]
    assert run("demo", *where) == 0
    assert capfd.readouterr().out.endswith("\n\nOK: 2 proved\n")
    assert run("other", *where) == 2
    assert f'no release "other" in namespace {demo.namespace} (there is: demo)' in capfd.readouterr().err
