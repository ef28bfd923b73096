"""Rights: what an installation takes and gives, asked of a real API server."""

from collections.abc import Callable
from typing import Any

import kubernetes
import pytest

from hack.base.log import UserError
from hack.chart.manifests import merged, nested
from hack.chart.scenarios import SIMULATE
from hack.cluster import leftovers
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from tests.e2e.quick import QUICK, peers

ALLOWED = ("list pods", "watch endpointslices.discovery.k8s.io", "create dynamoworkermetadatas.nvidia.com")
REFUSED = (
    *("get secrets", "list secrets", "get configmaps", "create pods", "delete pods", "create pods/exec"),
    *("list nodes", "create deployments.apps", "update services", "create rolebindings.rbac.authorization.k8s.io"),
    *("create serviceaccounts/token", "list leases.coordination.k8s.io"),
)

MakeRelease = Callable[..., Release]


def can(kube: Kube, account: str, namespace: str, what: str, where: str) -> bool:
    """Whether a service account may do "verb resource.group/subresource" in a namespace, as `auth can-i` asks."""
    verb, _, resource = what.partition(" ")
    resource, _, subresource = resource.partition("/")
    name, _, group = resource.partition(".")
    spec = {
        "user": f"system:serviceaccount:{namespace}:{account}",
        "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"],
        "resourceAttributes": {
            "namespace": where,
            "verb": verb,
            "resource": name,
            "group": group,
            "subresource": subresource,
        },
    }
    api: Any = kubernetes.client.AuthorizationV1Api(kube.core.api_client)
    return bool(api.create_subject_access_review({"spec": spec}).status.allowed)


def test_the_releases_account_may_discover_and_nothing_else(release: MakeRelease, kube: Kube) -> None:
    demo = release()
    demo.install(QUICK, files=[SIMULATE])
    account = f"{demo.name}-dynamo"
    asked = {what: can(kube, account, demo.namespace, what, demo.namespace) for what in (*ALLOWED, *REFUSED)}
    assert [what for what, answer in asked.items() if answer] == [*ALLOWED]
    assert not [what for what in ALLOWED if can(kube, account, demo.namespace, what, "default")]
    (frontend,) = kube.pods(demo.namespace, instance=demo.name, component="frontend")
    write = ("python3", "-c", "open('/home/x', 'w')")
    with pytest.raises(UserError, match="Read-only file system"):
        kube.kubectl("exec", "-n", demo.namespace, frontend.metadata.name, "--", *write)


def test_the_administrator_of_a_namespace_installs_it(release: MakeRelease, kube: Kube) -> None:
    demo = release()
    installer = {"name": "installer", "labels": {leftovers.HELPER: "true"}}
    kube.core.create_namespaced_service_account(demo.namespace, {"metadata": installer})
    kube.rbac.create_namespaced_role_binding(
        demo.namespace,
        {
            "metadata": installer,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "installer", "namespace": demo.namespace}],
        },
    )
    assert not can(kube, "installer", demo.namespace, "list nodes", demo.namespace)
    values = {
        "global": {"discovery": {"backend": "etcd"}},
        **peers("etcd"),
        "preflight": {"enabled": True, "clusterWide": False},
    }
    options = ("--skip-crds", f"--kube-as-user=system:serviceaccount:{demo.namespace}:installer")
    demo.install(merged(QUICK, values), files=[SIMULATE], options=options)
    assert "OK: 2 proved, 2 simulated" in demo.test()
    for pod in kube.pods(demo.namespace, instance=demo.name):
        assert pod.spec.automount_service_account_token is False, pod.metadata.name
    # Kubernetes discovery needs a Role that this administrator may not give: nvidia.com is not among their rights.
    meant = merged(QUICK, nested("global.clusterChecks", False))
    result = demo.attempt("upgrade", demo.name, demo.chart, *options, values=meant, files=[SIMULATE])
    assert result.code
    assert "dynamoworkermetadatas" in result.stderr
    # What this upgrade was to remove is no part of its revision, and an uninstall asks only that.
    assert demo.attempt("rollback", demo.name, "1", "--wait").code == 0
