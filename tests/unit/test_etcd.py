"""etcd: who its members are, and what would break them."""

from typing import Any

import pytest

from hack.chart.helm import HelmError
from hack.chart.manifests import Container, Manifests, merged
from hack.chart.render import Render

INSTALLED = {"etcd": {"enabled": True}, "global": {"discovery": {"backend": "etcd"}}}


def install(render: Render, values: Any = None, **options: Any) -> Manifests:
    return render(merged(INSTALLED, {"etcd": values or {}}), **options)


def etcd(render: Render, values: Any = None, **options: Any) -> Container:
    return install(render, values, **options).pod("etcd").container()


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_it_serves_every_engine(render: Render, engine: str) -> None:
    assert render(merged(INSTALLED, {"global": {"engine": {"name": engine}}})).pod("etcd")


def test_it_needs_no_shell(render: Render) -> None:
    assert etcd(render).spec["command"] == ["/usr/local/bin/etcd"]


@pytest.mark.parametrize("replicas", [1, 3])
def test_members_know_each_other_by_their_own_addresses(render: Render, replicas: int) -> None:
    manifests = install(render, {"replicas": replicas}, namespace="team-a")
    container = manifests.pod("etcd").container()
    peers = manifests.one("StatefulSet", component="etcd")["spec"]["serviceName"]
    members = dict(m.split("=", 1) for m in (container.flag("initial-cluster") or "").split(","))
    assert members == {f"demo-etcd-{n}": f"http://demo-etcd-{n}.{peers}.team-a.svc:2380" for n in range(replicas)}
    # A member refuses to start when it does not find itself among the peers.
    own = container.flag("initial-advertise-peer-urls")
    assert container.flag("name") == "$(POD_NAME)"
    assert own == f"http://$(POD_NAME).{peers}.team-a.svc:2380"
    assert container.flag("advertise-client-urls") == f"http://$(POD_NAME).{peers}.team-a.svc:2379"
    assert container.flag("initial-cluster-state") == "new"
    again = etcd(render, {"replicas": 3, "initialClusterState": "existing"})
    assert again.flag("initial-cluster-state") == "existing"


def test_members_of_two_releases_never_join(render: Render) -> None:
    tokens = {
        etcd(render, release=release, namespace=namespace).flag("initial-cluster-token")
        for release in ("a", "b")
        for namespace in ("x", "y")
    }
    assert len(tokens) == 4


def test_ports(render: Render) -> None:
    container = etcd(render)
    ports = {p["name"]: p["containerPort"] for p in container.spec["ports"]}
    assert ports == {"client": 2379, "peer": 2380, "metrics": 2381}
    for name, port in {"client": 2379, "peer": 2380, "metrics": 2381}.items():
        assert container.flag(f"listen-{name}-urls") == f"http://0.0.0.0:{port}"


def test_a_member_without_a_quorum_is_not_ready_and_not_restarted(render: Render) -> None:
    spec = etcd(render).spec
    assert spec["startupProbe"]["httpGet"] == {"path": "/livez", "port": "metrics"}
    assert spec["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "metrics"}
    assert spec["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}


def test_data_is_on_the_volume(render: Render) -> None:
    container = etcd(render)
    (mount,) = container.spec["volumeMounts"]
    assert (container.flag("data-dir") or "").startswith(f"{mount['mountPath']}/")


def test_history_is_short_and_the_database_bounded(render: Render) -> None:
    container = etcd(render)
    assert container.flag("auto-compaction-mode") == "periodic"
    assert container.flag("auto-compaction-retention") == "5m"
    assert container.flag("quota-backend-bytes") == str(2**30)


def test_extra_arguments_come_last_so_that_they_win(render: Render) -> None:
    extra = ["--quota-backend-bytes=2147483648", "--log-level=debug"]
    assert etcd(render, {"extraArgs": extra}).args()[-2:] == extra


@pytest.mark.parametrize("argument", ["--initial-cluster=a=http://a:2380", "-name=a", "--data-dir", "--name"])
def test_a_members_identity_is_not_for_typing(render: Render, argument: str) -> None:
    flag = argument.lstrip("-").partition("=")[0]
    with pytest.raises(HelmError, match=f"etcd.extraArgs: the chart sets --{flag}: remove it"):
        etcd(render, {"extraArgs": [argument]})


@pytest.mark.parametrize(
    ("variable", "instead"),
    [
        ("ETCD_NAME", "the chart sets --name: remove it"),
        ("ETCD_QUOTA_BACKEND_BYTES", "write --quota-backend-bytes=... in etcd.extraArgs"),
    ],
)
def test_variables_that_etcd_would_exit_over_are_refused(render: Render, variable: str, instead: str) -> None:
    with pytest.raises(HelmError, match=f"etcd.env.{variable}: .*{instead}"):
        etcd(render, {"env": {variable: "1"}})
    assert etcd(render, {"env": {"ETCD_LOG_LEVEL": "debug"}}).env()["ETCD_LOG_LEVEL"] == "debug"


def test_three_members_need_volumes(render: Render) -> None:
    with pytest.raises(HelmError, match=r"etcd.persistence.enabled: .* or etcd.replicas=1"):
        install(render, {"replicas": 3, "persistence": {"enabled": False}})


def test_all_problems_are_told_at_once(render: Render) -> None:
    values = {"replicas": 3, "persistence": {"enabled": False}, "extraArgs": ["--name=a"], "env": {"POD_NAME": "a"}}
    with pytest.raises(HelmError) as caught:
        install(render, values)
    for where in ("etcd.persistence.enabled", "etcd.extraArgs", "etcd.env.POD_NAME"):
        assert f"  - {where}: " in str(caught.value)
