"""The runbook's commands name what a release has: objects, folders and addresses."""

import re
from pathlib import Path
from typing import Any

import pytest

from hack.chart.render import Render

TEXT = Path("docs/runbook.md").read_text(encoding="utf-8")
ETCD: dict[str, Any] = {
    "etcd": {"enabled": True, "replicas": 3},
    "global": {"discovery": {"backend": "etcd"}, "tls": {"secretName": "demo-tls"}},
}


def test_objects_are_those_of_a_release(render: Render) -> None:
    has = {f"{item['kind'].lower()}/{item['metadata']['name']}" for item in render()}
    named = set(re.findall(r"\b((?:deployment|service)/demo-[a-z-]+)", TEXT))
    assert "deployment/demo-frontend" in named
    assert named <= has


def test_ports_are_forwarded_whatever_the_service_has(render: Render) -> None:
    """A Service may have another port, and forwards nothing while none of its pods is Ready."""
    (target, port) = re.findall(r"port-forward (\S+) (\d+)", TEXT)[0]
    assert target.startswith("deployment/")
    frontend = render({"frontend": {"service": {"port": 80}}}).pod("frontend").container()
    assert [each["containerPort"] for each in frontend.spec["ports"]] == [int(port)]


def test_commands_say_the_namespace() -> None:
    for command in re.findall(r"kubectl [^`\n]+", TEXT):
        assert re.match(r"kubectl (-n llm |drain |get --raw|[.]{3} )", command), command


@pytest.mark.parametrize("tls", [True, False])
def test_a_member_joins_by_its_own_address(render: Render, *, tls: bool) -> None:
    values = {**ETCD, "global": {**ETCD["global"], "tls": {"secretName": "demo-tls" if tls else ""}}}
    etcd = render(values, namespace="llm").pod("etcd").container()
    (url,) = re.findall(r"member add demo-etcd-1 --peer-urls=(\S+)", TEXT)
    assert f"demo-etcd-1={url.replace('http', 'https') if tls else url}" in str(etcd.flag("initial-cluster")).split(",")


def test_its_certificate_is_where_etcdctl_looks(render: Render) -> None:
    etcd = render(ETCD, namespace="llm").pod("etcd").container()
    for option, flag in (("cacert", "trusted-ca-file"), ("cert", "cert-file"), ("key", "key-file")):
        assert f"--{option}={etcd.flag(flag)}" in TEXT
    assert "the member's URL begins with `https://`" in TEXT
