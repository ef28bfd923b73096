"""NATS: its configuration, its cluster, and how a server stops."""

import hashlib
import json
from typing import Any

import pytest

from hack.chart.helm import HelmError
from hack.chart.manifests import Manifests, merged
from hack.chart.render import Render

INSTALLED = {"nats": {"enabled": True}, "global": {"requestPlane": "nats"}}
CLUSTER = {"replicas": 3}
USER = ("username", "password")
JETSTREAM = {"jetstream": {"enabled": True}}


def install(render: Render, values: Any = None, more: Any = None, **options: Any) -> Manifests:
    return render(merged(merged(INSTALLED, {"nats": values or {}}), more or {}), **options)


def config(manifests: Manifests) -> dict[str, Any]:
    """nats.conf. NATS reads JSON as its own format, so any JSON parser can check it, but for a variable of the pod."""
    content: dict[str, Any] = json.loads(text(manifests).replace("$POD_NAME", '"$POD_NAME"'))
    return content


def text(manifests: Manifests) -> str:
    return str(manifests.one("ConfigMap", component="nats")["data"]["nats.conf"])


def mounts(manifests: Manifests) -> dict[str, str]:
    return {m["name"]: m["mountPath"] for m in manifests.pod("nats").container().spec["volumeMounts"]}


def test_it_runs_from_any_image_without_a_shell(render: Render) -> None:
    manifests = install(render)
    container = manifests.pod("nats").container()
    assert container.spec["command"] == ["nats-server"]
    assert container.flag("config") == f"{mounts(manifests)['config']}/nats.conf"
    assert manifests.pod("nats").volumes()["config"]["configMap"] == {"name": "demo-nats"}


def test_servers_have_names_of_their_own(render: Render) -> None:
    manifests = install(render, CLUSTER)
    assert '"server_name": $POD_NAME' in text(manifests)
    assert "POD_NAME" in manifests.pod("nats").container().env()
    # With the flag it refuses to reload, also its certificates.
    assert not [a for a in manifests.pod("nats").container().spec["args"] if a.startswith("--name")]


def test_clients_show_a_user_of_a_secret(render: Render) -> None:
    manifests = install(render, {}, {"global": {"natsSecret": "demo-nats"}})
    container = manifests.pod("nats").container()
    assert (container.flag("user"), container.flag("pass")) == ("$(NATS_AUTH_USERNAME)", "$(NATS_AUTH_PASSWORD)")
    asked = {f"NATS_AUTH_{key.upper()}": {"secretKeyRef": {"name": "demo-nats", "key": key}} for key in USER}
    for component in ("nats", "frontend", "prefill", "decode"):
        env = manifests.pod(component).containers()[-1].env()
        assert {name: value for name, value in env.items() if name.startswith("NATS_AUTH_")} == asked
    assert "NATS_AUTH" not in text(manifests)
    assert "NATS_AUTH" not in json.dumps(install(render))


def test_clients_show_it_to_another_nats(render: Render) -> None:
    values = {"requestPlane": "nats", "natsUrl": "nats://nats.infra:4222", "natsSecret": "infra"}
    env = render({"global": values}).pod("decode").containers()[-1].env()
    assert env["NATS_AUTH_PASSWORD"] == {"secretKeyRef": {"name": "infra", "key": "password"}}


def test_ports(render: Render) -> None:
    manifests = install(render)
    ports = {p["name"]: p["containerPort"] for p in manifests.pod("nats").container().spec["ports"]}
    assert ports == {"client": 4222, "cluster": 6222, "monitor": 8222}
    assert (config(manifests)["port"], config(manifests)["http_port"]) == (4222, 8222)


def test_a_prompt_fits_in_a_message(render: Render) -> None:
    assert config(install(render))["max_payload"] == 8 * 2**20
    assert config(install(render, {"maxPayloadMiB": 64}))["max_payload"] == 64 * 2**20
    # More than the 64 MiB a server keeps for a client, and it would not start.
    with pytest.raises(HelmError, match="maxPayloadMiB"):
        install(render, {"maxPayloadMiB": 65})


def test_a_changed_configuration_restarts_the_servers(render: Render) -> None:
    def checksum(values: Any) -> str:
        manifests = install(render, values)
        text: str = manifests.pod("nats").metadata["annotations"]["checksum/config"]
        content = manifests.one("ConfigMap", component="nats")["data"]["nats.conf"]
        assert text == hashlib.sha256(content.encode()).hexdigest()
        return text

    assert checksum({}) != checksum({"maxPayloadMiB": 9})


def test_three_servers_form_a_cluster(render: Render) -> None:
    manifests = install(render, CLUSTER, namespace="team-a")
    peers = manifests.one("StatefulSet", component="nats")["spec"]["serviceName"]
    cluster = config(manifests)["cluster"]
    assert cluster["port"] == 6222
    assert cluster["routes"] == [f"nats://demo-nats-{n}.{peers}.team-a.svc:6222" for n in range(3)]
    assert "cluster" not in config(install(render))


def test_clusters_of_two_releases_never_join(render: Render) -> None:
    names = {
        config(install(render, CLUSTER, release=release, namespace=namespace))["cluster"]["name"]
        for release in ("a", "b")
        for namespace in ("x", "y")
    }
    assert len(names) == 4


def test_a_stopping_server_sends_its_clients_to_the_others(render: Render) -> None:
    manifests = install(render, CLUSTER | {"terminationGracePeriodSeconds": 100})
    container = manifests.pod("nats").container().spec
    pid_file = config(manifests)["pid_file"]
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["nats-server", "--signal", f"ldm={pid_file}"]
    assert pid_file.startswith(f"{mounts(manifests)['pid']}/")
    assert manifests.pod("nats").volumes()["pid"]["emptyDir"]["medium"] == "Memory"
    assert config(manifests)["lame_duck_duration"] == "85s"


def test_moving_clients_fits_in_the_shortest_grace_period(render: Render) -> None:
    # nats-server does not start with less than 30 s.
    assert config(install(render, CLUSTER | {"terminationGracePeriodSeconds": 45}))["lame_duck_duration"] == "30s"
    with pytest.raises(HelmError, match="terminationGracePeriodSeconds"):
        install(render, {"terminationGracePeriodSeconds": 44})


def test_a_single_server_stops_at_once(render: Render) -> None:
    """Its clients have nowhere to go, so the sooner it is back the better."""
    manifests = install(render)
    assert "lifecycle" not in manifests.pod("nats").container().spec
    assert not {"pid_file", "lame_duck_duration"} & config(manifests).keys()
    assert mounts(manifests).keys() == {"config"}


def test_a_stream_without_a_quorum_does_not_cut_off_core_nats(render: Render) -> None:
    spec = install(render).pod("nats").container().spec
    assert spec["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "monitor"}
    for probe in ("liveness", "readiness"):
        assert spec[f"{probe}Probe"]["httpGet"] == {"path": "/healthz?js-enabled-only=true", "port": "monitor"}


def test_dynamo_needs_no_jetstream(render: Render) -> None:
    manifests = install(render)
    assert "jetstream" not in config(manifests)
    assert "volumeClaimTemplates" not in manifests.one("StatefulSet", component="nats")["spec"]
    assert "data" not in manifests.pod("nats").volumes()


def test_jetstream_keeps_streams_on_its_volume(render: Render) -> None:
    manifests = install(render, JETSTREAM)
    assert config(manifests)["jetstream"] == {
        "store_dir": mounts(manifests)["data"],
        "max_memory_store": 64 * 2**20,
    }
    more = install(render, {"jetstream": {"enabled": True, "memoryMiB": 100}})
    assert config(more)["jetstream"]["max_memory_store"] == 100 * 2**20
