"""What is said of alerts in faults."""

import pytest

from hack.chart import render as chart
from hack.monitoring.alerts import ALERTS
from hack.reliability import alarms_report
from hack.reliability.alarms import BASE, ELSEWHERE, FAULTS, Seen, shortened


def test_every_alert_has_its_fault_or_a_reason() -> None:
    caused = {name for fault in FAULTS.values() for name in fault.fires}
    assert caused | set(ELSEWHERE) == {alert.name for alert in ALERTS}
    assert not caused & set(ELSEWHERE)
    rules = chart.render(BASE, ["values/overlays/simulate.yaml"]).one("PrometheusRule")
    watched = {rule["alert"] for group in rules["spec"]["groups"] for rule in group["rules"]}
    assert caused <= watched, "no rule of the release that is watched"


def test_all_times_of_the_rules_are_shorter_by_one_factor() -> None:
    rule = {"alert": "A", "expr": "rate(a{b='5m'}[5m]) > 1 unless b offset 10m", "for": "1220s"}
    (group,) = shortened({"kind": "PrometheusRule", "spec": {"groups": [{"name": "g", "rules": [rule]}]}}, 20)["spec"][
        "groups"
    ]
    assert group["rules"] == [{"alert": "A", "expr": "rate(a{b='5m'}[15s]) > 1 unless b offset 30s", "for": "61s"}]
    rendered = chart.render(BASE, ["values/overlays/simulate.yaml"]).one("PrometheusRule")
    assert [one["for"] for one in shortened(rendered)["spec"]["groups"][0]["rules"]][:3] == ["6s", "3s", "3s"]


@pytest.mark.parametrize(
    ("fired", "right"),
    [
        ({"DynamoModelNotReady": 12.0, "DynamoRequestsRefused": 20.0}, True),
        ({"DynamoModelNotReady": 12.0}, False),
        ({"DynamoModelNotReady": 12.0, "DynamoRequestsRefused": 20.0, "DynamoTargetDown": 40.0}, False),
    ],
)
def test_the_page_says_what_fired_and_whether_it_should(fired: dict[str, float], right: bool) -> None:
    expected = FAULTS["no prefill worker"].fires
    row = alarms_report.row(Seen("no prefill worker", expected, fired))
    assert row[:2] == ["no prefill worker", "ModelNotReady, RequestsRefused"]
    assert row[2].startswith("ModelNotReady 12 s")
    assert row[3] == ("yes" if right else "no")
    page = alarms_report.page([Seen("no prefill worker", expected, fired), Seen("none", frozenset(), {})])
    assert "| none | - | - | yes | 20" in page
    assert "- KvTransferSlow: the mocker moves no KV cache" in page
