"""The alerts of a release: files/rules.yaml, whose words in angle brackets the chart fills in (templates/metrics)."""

import re
from dataclasses import dataclass

import yaml

from hack.monitoring import queries as q
from hack.monitoring.queries import RELEASE, Scope
from verify.engines import TRANSFERS

NOW = Scope('namespace="<namespace>", job="<release>"', "5m")
LONGER = Scope(NOW.release, "10m")
SLOW = (
    "{{ $labels.pod }} moves it at {{ $value | humanize }} GB/s for each GPU, less than the <transferGBps> that the"
    " values promise: it takes another path. docs/kv-path.md"
)


@dataclass(frozen=True)
class Alert:
    """One alert. `when`: facts of the release that must all hold, of templates/metrics/_words.tpl."""

    name: str
    expr: str
    severity: str
    lasts: str
    summary: str
    description: str
    when: tuple[str, ...] = ()


ALERTS = (
    Alert(
        "DynamoFrontendAbsent",
        f"absent({q.frontends_up(NOW)})",
        "critical",
        "2m",
        "No frontend of <release> is scraped",
        "Nothing answers clients, or Prometheus does not find the pods: then no other alert of the release can fire.",
    ),
    Alert(
        "DynamoModelNotReady",
        f"min by ({RELEASE}, model) ({q.model_ready(NOW)}) == 0",
        "critical",
        "1m",
        "{{ $labels.model }} is known, and cannot be served",
        "One role has no ready worker: without prefill requests get 503, without decode 404."
        " GET /v1/models/{{ $labels.model }}/ready names the role.",
    ),
    Alert(
        "DynamoModelGone",
        f"{q.without_model(NOW)} and on ({RELEASE}) max_over_time({q.model_ready(NOW)}[1h])",
        "critical",
        "1m",
        "{{ $labels.pod }} no longer knows the model",
        "All workers are gone, or were refused, so requests get 404. Look at the prefill and decode pods.",
    ),
    Alert(
        "DynamoModelNeverKnown",
        q.without_model(NOW),
        "critical",
        "<startupSeconds>s",
        "{{ $labels.pod }} does not know the model after all the time that workers have to start",
        "Workers do not become ready, or are not discovered. Look at the prefill and decode pods.",
    ),
    Alert(
        "DynamoRequestsRefused",
        f"{q.refused(NOW)} * 60 > <refusedPerMinute>",
        "critical",
        "2m",
        "{{ $value | humanize }} requests a minute get 503",
        "A pool is empty. These requests are in no other counter, so no ratio of errors shows them.",
    ),
    Alert(
        "DynamoErrorRatioHigh",
        f"{q.error_ratio(LONGER)} > <errorRatio> and {q.errors(LONGER)} * 60 > 1",
        "warning",
        "5m",
        "{{ $value | humanizePercentage }} of the requests fail",
        "Without those cancelled, not valid, or refused with 529. A prompt over the context length is a 500, too.",
    ),
    Alert(
        "DynamoFirstTokenSlow",
        f"{q.first_token(0.99)(LONGER)} > <timeToFirstTokenSeconds>",
        "warning",
        "10m",
        "The slowest 1 % of first tokens of {{ $labels.model }} take {{ $value | humanizeDuration }}",
        "The objective is <timeToFirstTokenSeconds> s. Prefill is the bottleneck, or prompts have become longer.",
    ),
    Alert(
        "DynamoTokensSlow",
        f"{q.between_tokens(0.99)(LONGER)} > <interTokenLatencySeconds>",
        "warning",
        "10m",
        "The slowest 1 % of tokens of {{ $labels.model }} come {{ $value | humanizeDuration }} after the one before",
        "The objective is <interTokenLatencySeconds> s. Decode is the bottleneck.",
    ),
    Alert(
        "DynamoRequestsQueue",
        f"{q.queued(NOW)} > <queuedRequests>",
        "warning",
        "5m",
        "{{ $value }} requests wait for a {{ $labels.worker_type }} worker",
        "The pool is too small for the load.",
        ("kv",),
    ),
    Alert(
        "DynamoRequestsRejected",
        f"{q.rejected(NOW)} > 0",
        "warning",
        "5m",
        "{{ $value | humanize }} requests a second get 529",
        "A threshold of frontend.args is reached: the workers are busy. Most gateways do not try 529 again.",
    ),
    Alert(
        "DynamoAnswersLost",
        q.lost(LONGER),
        "warning",
        "0m",
        "{{ $value | humanize }} answers were lost with their worker",
        "They could not go on at another worker: there was none that fits, or frontend.migrationLimit is used up.",
    ),
    Alert(
        "DynamoWorkerNotRegistered",
        f"{q.workers_up(NOW)} > on ({RELEASE}) {q.registered(NOW)}",
        "warning",
        "<startupSeconds>s",
        "{{ $value }} workers run, and the router knows fewer",
        "A worker does not become ready, or its model card differs from that of the others.",
        ("kv",),
    ),
    Alert(
        "DynamoCacheUnknown",
        f"{q.silent_workers(NOW)} > 0",
        "warning",
        "10m",
        "The router cannot follow the KV cache of {{ $value }} {{ $labels.worker_type }} workers",
        "It sends requests past the cache that they could use. Their KV events do not arrive, or are switched off.",
        ("kv",),
    ),
    Alert(
        "DynamoTargetDown",
        q.down(NOW),
        "warning",
        "10m",
        "{{ $labels.pod }} is not scraped",
        "The pod runs and does not answer at its port for metrics.",
    ),
    *(
        Alert(
            "DynamoKvTransferSlow",
            f"{q.transfer_speed(counters)(LONGER)} < <transferGBps>",
            "warning",
            "10m",
            "The KV cache moves slowly",
            SLOW,
            ("transfers", *of),
        )
        for of, counters in TRANSFERS.items()
    ),
    *(
        Alert(
            "DynamoKvTransferFails",
            f"{q.transfer_failures(counters)(LONGER)} > 0",
            "warning",
            "0m",
            "KV transfers of {{ $labels.pod }} fail",
            "The prompts are computed again at decode, or the requests fail: global.kvTransfer.onLoadFailure.",
            ("transfers", *of),
        )
        for of, counters in TRANSFERS.items()
        if counters.failures
    ),
    Alert(
        "DynamoCanaryFailed",
        f"{q.failed_canary(NOW)} > 0",
        "critical",
        "0m",
        "The canary has failed",
        "{{ $labels.job_name }}: its log says which proof. It needs kube-state-metrics.",
        ("canary",),
    ),
)


def text() -> str:
    """files/rules.yaml."""
    rules = [
        {
            "when": list(alert.when),
            "alert": alert.name,
            "expr": alert.expr,
            "for": alert.lasts,
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.summary, "description": alert.description},
        }
        for alert in ALERTS
    ]
    return "# Generated by `make generate` from hack/monitoring.\n" + yaml.safe_dump(rules, sort_keys=False, width=118)


def words(text: str) -> str:
    """A text of an alert for people: what Prometheus and the chart fill in is a name or n."""
    named = re.sub(r"\{\{ \$labels\.(\w+) \}\}", r"*\1*", text)
    return re.sub(r"<(\w+)>", r"*\1*", re.sub(r"\{\{ \$value[^}]*\}\}", "*n*", named))
