"""Logs as JSON and traces: variables of every Dynamo process, and of no other."""

from hack.chart.manifests import COMPONENT, nested
from hack.chart.render import Render

NAMES = ("DYN_LOGGING_JSONL", "OTEL_EXPORT_ENABLED", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME")


def found(render: Render, values: dict[str, object]) -> dict[str, dict[str, str]]:
    """The variables of telemetry of every component that has some."""
    result = {}
    for pod in render(values).pods():
        for container in pod.containers():
            env = {e["name"]: e.get("value", "") for e in container.spec.get("env", []) if e["name"] in NAMES}
            if env:
                result[pod.labels[COMPONENT]] = env
    return result


def test_nothing_is_sent_by_default(render: Render) -> None:
    assert found(render, {}) == {}


def test_logs_as_json(render: Render) -> None:
    json_logs = {"DYN_LOGGING_JSONL": "true"}
    values = nested("global.telemetry.jsonLogs", True)
    assert found(render, values) == {name: json_logs for name in ("frontend", "prefill", "decode")}


def test_traces_and_logs_have_one_endpoint_and_the_name_of_the_component(render: Render) -> None:
    values = nested("global.telemetry.otlpEndpoint", "http://otel.infra:4317")
    assert found(render, values) == {
        name: {
            "OTEL_EXPORT_ENABLED": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel.infra:4317",
            "OTEL_SERVICE_NAME": f"demo-{name}",
        }
        for name in ("frontend", "prefill", "decode")
    }
