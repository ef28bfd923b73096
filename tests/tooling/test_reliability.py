"""The clients of the reliability cases, against a frontend that answers as told; what is counted of a release."""

import contextlib
import http.client
import http.server
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.base.wait import NotReachedError, wait_for
from hack.chart.manifests import merged
from hack.chart.render import render
from hack.cluster.apiserver import NoAnswerError
from hack.containers import runtimes
from hack.data import load
from hack.reliability import counters, cuts, faults, outage, planned, report, trial
from hack.reliability.cases import CASES
from hack.reliability.counters import Counters, Pairs, pairs
from hack.reliability.trial import Outcome

TOKEN = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
DONE = b"data: [DONE]\n\n"


class Frontend(http.server.ThreadingHTTPServer):
    """Answers every request with a status and these events; closes without a word where there are none."""

    request_queue_size = 64
    status = 200
    events: list[bytes]


class Handler(http.server.BaseHTTPRequestHandler):
    """One answer."""

    server: Frontend

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if not self.server.events:
            return
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b"".join(self.server.events))

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def frontend() -> Iterator[Frontend]:
    with Frontend(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "events", "counted"),
    [
        (200, [TOKEN] * 3 + [DONE], {"right": 1}),
        (200, [TOKEN] * 2 + [DONE], {"wrong": 1}),
        (200, [TOKEN] * 4 + [DONE], {"wrong": 1}),
        (200, [TOKEN] * 3, {"failed": {"no end marker": 1}}),
        (200, [TOKEN, b'data: {"error":{}}\n\n', DONE], {"failed": {'error event data: {"error":{}}': 1}}),
        (503, [b"not ready"], {"failed": {"503 not ready": 1}}),
        (529, [b"overloaded"], {"shed": 1}),
        (200, [], {"failed": {"RemoteDisconnected": 1}}),
    ],
    ids=str,
)
def test_what_came_of_a_request(
    frontend: Frontend, tmp_path: Path, status: int, events: list[bytes], counted: dict[str, Any]
) -> None:
    frontend.status, frontend.events = status, events
    account, stop = load.Account(), tmp_path / "stop"
    client = load.Client(account, f"http://127.0.0.1:{frontend.server_port}", "m", 3, stop, keeps=True)
    gaps: list[float] = []
    account.add(*client._ask(gaps), 3, gaps, 0.7)
    line = json.loads(account.line())
    assert line["sent"] == 1
    assert line["slowest_refusal"] == (0.7 if status == 529 else 0)
    nothing = {"right": 0, "wrong": 0, "shed": 0, "failed": {}}
    assert {key: line[key] for key in nothing} == nothing | counted
    assert line["longest_answer"] == round(sum(gaps), 2)


def test_how_long_requests_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    account = load.Account()
    times = iter((100.0, 107.25, 109.5))
    monkeypatch.setattr("hack.data.load.time.monotonic", lambda: next(times))
    for outcome in ("", "404", "503", "", "404", ""):
        account.add(outcome, 3, 3, [])
    assert json.loads(account.line())["failing_seconds"] == 9.5


def test_clients_end_when_the_file_is_there(frontend: Frontend, tmp_path: Path, capsys: Any) -> None:
    frontend.events = [TOKEN] * load.SHORT + [DONE]
    stop = tmp_path / "stop"
    threading.Timer(1.5, stop.touch).start()
    load.main(f"http://127.0.0.1:{frontend.server_port}", "m", stop)
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["sent"] >= 8, "each of them has asked"
    # Long answers come out too short here.
    assert last["right"] + last["wrong"] == last["sent"]
    assert last["longest_stall"] < 10


def test_a_connection_that_the_server_closed_is_seen() -> None:
    ours, theirs = socket.socketpair()
    connection = http.client.HTTPConnection("a")
    connection.sock = ours
    assert not load.closed(connection)
    theirs.close()
    assert load.closed(connection)
    ours.close()


@pytest.mark.parametrize(
    ("keeps", "counted"), [(True, {"right": 2, "asked_again": 1}), (False, {"right": 1, "asked_again": 0})]
)
def test_what_a_kept_connection_loses_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeps: bool, counted: dict[str, int]
) -> None:
    stop = tmp_path / "stop"
    account = load.Account()
    client = load.Client(account, "http://127.0.0.1:9", "m", 3, stop, keeps=keeps)
    results = iter([("", 3), ("RemoteDisconnected", 0), ("", 3)])

    def ask(_: list[float]) -> tuple[str, int]:
        client.connection = http.client.HTTPConnection("127.0.0.1:9")
        if account.sent == 1:
            stop.touch()
        return next(results)

    monkeypatch.setattr(client, "_ask", ask)
    monkeypatch.setattr(load, "closed", lambda _: False)
    client.run()
    line = json.loads(account.line())
    assert {key: line[key] for key in counted} == counted
    assert line["sent"] == 2


def received(second: int, request: str, component: str, generation: str) -> str:
    """As Dynamo logs it on a terminal."""
    span = f'component="{component}" endpoint="generate" namespace="n-demo-{generation}" instance_id=4041081686039738'
    return (
        f"\x1b[2m2026-11-30T20:41:{second:02}.291974Z\x1b[0m \x1b[32m INFO\x1b[0m handle_payload: request "
        f'received \x1b[3mrequest_id\x1b[0m\x1b[2m=\x1b[0m{request} otel.kind="server" request_id="{request}" {span}\n'
    )


def answered(second: int, request: str, prefill: str, decode: str) -> str:
    return received(second, request, "prefill", prefill) + received(second + 1, request, "backend", decode)


def test_a_mixed_pair_is_counted() -> None:
    alike = answered(1, "a", "old", "old") + answered(3, "b", "new", "new")
    assert pairs([alike]) == Pairs(2)
    # In whatever order the logs are read, and read twice.
    assert pairs([*reversed(alike.splitlines(keepends=True)), alike]) == Pairs(2)
    assert pairs([alike, answered(5, "c", "old", "new"), answered(7, "d", "new", "old")]) == Pairs(4, mixed=2)
    # In one microsecond, and an answer that was mixed twice.
    assert pairs([received(1, "a", "backend", "old"), received(1, "a", "prefill", "old")]) == Pairs(1)
    assert pairs([answered(1, "a", "old", "new"), received(3, "a", "backend", "new")]) == Pairs(1, mixed=1)


def test_an_answer_that_moves_is_of_several_pairs() -> None:
    moved = answered(1, "a", "old", "old") + answered(11, "a", "new", "new")
    assert pairs([moved]) == Pairs(1)
    assert pairs([answered(1, "a", "old", "old"), received(11, "a", "backend", "new")]) == Pairs(1, mixed=1)
    assert pairs([answered(1, "a", "old", "new"), answered(11, "a", "new", "new")]) == Pairs(1, mixed=1)
    # Its first attempt never had a decode worker.
    assert pairs([received(1, "a", "prefill", "old"), answered(11, "a", "new", "new")]) == Pairs(1)


def test_an_answer_of_a_decode_worker_alone_is_counted() -> None:
    assert pairs([received(1, "a", "prefill", "old")]) == Pairs()
    assert pairs([received(1, "a", "backend", "old")]) == Pairs(1, alone=1)
    assert pairs([received(1, "a", "backend", "old"), answered(2, "a", "old", "old")]) == Pairs(1, alone=1)


def test_requests_from_before_the_load_are_not_counted() -> None:
    log = answered(1, "a", "old", "old") + answered(3, "b", "old", "old")
    assert pairs([log], "2026-11-30T20:41:02.000000Z") == Pairs(1)
    # Nor what moved after its beginning.
    assert pairs([log + received(5, "a", "backend", "new")], "2026-11-30T20:41:02.000000Z") == Pairs(1)


METRICS = 'dynamo_frontend_model_migration_total{model="m"} %d\n'


def pods_of(say: Callable[[], str], log: list[str], exit_code: int | None) -> Counters:
    """
    The counters of a release of one pod a component, and of a frontend that was evicted; each log is the next of these.
    """

    def pods(_: str, instance: str, component: str) -> list[SimpleNamespace]:
        phases = {"": "Running", **({"-evicted": "Failed"} if component == "frontend" else {})}
        return [
            SimpleNamespace(
                metadata=SimpleNamespace(name=f"{instance}-{component}{suffix}", labels={}),
                status=SimpleNamespace(phase=phase),
            )
            for suffix, phase in phases.items()
        ]

    def pod(_: str, name: str, *where: Any, **options: Any) -> SimpleNamespace:
        assert name == "demo-frontend"
        return SimpleNamespace(text=say(), raise_for_status=lambda: None)

    def following(_: str, name: str, container: str) -> contextlib.AbstractContextManager[Any]:
        text = log.pop(0) if log else ""
        return contextlib.nullcontext(SimpleNamespace(exit_code=exit_code, said=lambda: text))

    kube = SimpleNamespace(pods=pods, pod=pod, following=following)
    return Counters(SimpleNamespace(kube=kube, namespace="n", name="demo"))  # type: ignore[arg-type]


def test_what_moved_is_counted_to_the_end() -> None:
    moved, silent = 3, [False]

    def say() -> str:
        if moved > 3 and not silent[0]:
            silent[0] = True
            raise NoAnswerError("busy")
        return METRICS % moved

    made = pods_of(say, ["", ""], None)
    with made.going():
        moved = 7
    assert silent == [True]
    assert made.moved() == 4


def test_what_a_killed_frontend_counted_is_kept() -> None:
    told = iter((3, 3, 9, 0, 2))
    last = [0]

    def say() -> str:
        last[0] = next(told, last[0])
        return METRICS % last[0]

    made = pods_of(say, ["", ""], None)
    with made.going():
        wait_for("all is told", lambda: last, lambda seen: seen == [2], 10, 0.1)
    assert made.moved() == (9 - 3) + 2


def test_the_log_of_a_container_that_ended_is_followed_anew() -> None:
    logs = [answered(second, name, "old", "old") for second, name in ((1, "a"), (3, "b"), (5, "c"), (7, "d"))]
    made = pods_of(lambda: METRICS % 0, logs, 1)
    with made.going():
        wait_for("all logs are read", lambda: logs, lambda left: not left, 10, 0.1)
        made.since = ""
        assert made.pairs(4) == Pairs(4)


def test_a_log_that_lags_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "LAG_SECONDS", 0)
    late = iter(["", received(1, "a", "prefill", "old")])
    logs = {"prefill": "", "decode": received(2, "a", "backend", "old")}

    def said(name: str) -> str:
        if name == "prefill":
            logs[name] = next(late, logs[name])
        return logs[name]

    made = Counters(SimpleNamespace())  # type: ignore[arg-type]
    made.logs = {name: [SimpleNamespace(said=partial(said, name))] for name in logs}  # type: ignore[list-item]
    assert made.pairs(1) == Pairs(1)


def test_logs_that_know_less_than_the_clients_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "LOGS_SECONDS", 0.1)
    monkeypatch.setattr(counters, "LAG_SECONDS", 0)
    made = pods_of(lambda: METRICS % 0, [answered(1, "a", "old", "old"), ""], None)
    with made.going():
        made.since = ""
        with pytest.raises(NotReachedError, match=r"workers of 2 right answers.*requests=1, mixed=0, alone=0"):
            made.pairs(2)


ALIKE, NONE = Pairs(7), Counter[str]()


def outcome_of(case: str, failed: Mapping[str, int] = NONE, pairs: Pairs = ALIKE) -> Outcome:
    clients = {"sent": 9, "right": 7, "wrong": 0, "shed": 1, "asked_again": 2, "failed": failed, "longest_stall": 0.5}
    return Outcome(case, clients, 12, 3, pairs, CASES[case].loses)


def test_a_row_says_what_was_lost() -> None:
    outcome = outcome_of("a deleted decode pod", {"e503": 1})
    numbers = ["9", "7", "0", "1", "2", "1 x e503", "3", "0.5 s", "12 s", "0", "0"]
    assert report.row(outcome) == ["a deleted decode pod", *numbers]
    assert outcome.lost
    assert not outcome_of("a deleted decode pod").lost
    for name in ("a deleted decode pod", "another block size"):
        assert outcome_of(name, pairs=Pairs(7, mixed=1)).lost
    assert outcome_of("a deleted decode pod", pairs=Pairs(7, alone=1)).lost
    assert not outcome_of("another block size", pairs=Pairs(7, alone=8)).lost
    assert outcome_of("another block size", pairs=Pairs(7, alone=9)).lost
    assert report.row(outcome_of("another block size", pairs=Pairs(7, 3, 2)))[-2:] == ["3", "2"]


@pytest.mark.parametrize(
    ("case", "failed", "lost"),
    [
        ("another block size", {'503 {"message": 1}': 4, '503 {"message": 2}': 4}, False),
        ("another block size", {'503 {"message": 1}': 4, '503 {"message": 2}': 5}, True),
        ("another block size", {"404": 1}, True),
        ("a killed frontend process", {"no end marker": 2, "ConnectionRefusedError": 6}, False),
        ("a frontend pod deleted by force", {"ConnectionRefusedError": 1}, True),
        ("etcd away for 20 s", {"503": 1}, True),
        ("an uninstall, and an install", {"404": 900}, False),
    ],
)
def test_no_more_is_lost_than_its_reason_says(case: str, failed: dict[str, int], lost: bool) -> None:
    assert outcome_of(case, failed).lost == lost


def test_what_is_lost_without_a_limit_is_an_outage() -> None:
    unlimited = {name for name, case in CASES.items() if case.loses.most is None}
    assert unlimited == {
        "an upgrade of the only workers",
        "from Kubernetes' discovery to etcd",
        "an uninstall, and an install",
        "all decode processes killed",
        "a decode worker that hangs, chart of d377e51",
    }


def test_errors_are_counted_by_their_kind() -> None:
    failed = {'503 {"message": 1}': 2, '503 {"message": 2}': 1, "404": 4, 'error event data: {"error": 1}': 1}
    assert "4 x 404, 3 x 503, 1 x error event" in report.row(outcome_of("another block size", failed))


@pytest.mark.parametrize(("seconds", "unexpected"), [(89, True), (91, False), (109, False), (111, True)])
def test_an_outage_is_as_long_as_its_pods_said(seconds: float, unexpected: bool) -> None:
    outcome = outcome_of("an upgrade of the only workers", {"e404": 3})
    outcome.clients["failing_seconds"] = seconds
    told = replace(outcome, expected=100)
    assert told.lost == unexpected
    assert report.why(told).endswith(f"the new one starts: {seconds} s, 100.0 s by the release's own pods")
    assert not outcome.lost


def test_an_outage_is_told_by_the_pods() -> None:
    def pod(seconds: int, **hook: Any) -> SimpleNamespace:
        began = datetime(2026, 11, 30, tzinfo=UTC)
        times = {"Ready": began + timedelta(seconds=seconds), "PodScheduled": began}
        conditions = [SimpleNamespace(type=name, last_transition_time=when) for name, when in times.items()]
        hooks = SimpleNamespace(pre_stop=SimpleNamespace(**{"_exec": None, "sleep": None} | hook))
        engine, other = SimpleNamespace(name="engine", lifecycle=hooks), SimpleNamespace(name="rendezvous")
        spec = SimpleNamespace(containers=[other, engine])
        return SimpleNamespace(spec=spec, status=SimpleNamespace(conditions=conditions))

    waits = SimpleNamespace(command=["python3", "drain.py", "http://127.0.0.1:9090/metrics", "5", "5", "135"])
    rank = pod(40, sleep=SimpleNamespace(seconds=145))
    pods = {"prefill": [pod(90, _exec=waits)], "decode": [pod(110, _exec=waits)]}
    kube = SimpleNamespace(pods=lambda namespace, instance, component: pods[component])
    release = SimpleNamespace(kube=kube, namespace="n", name="demo")
    assert outage.expected(release, 7) == 7 + 5 + 110  # type: ignore[arg-type]
    pods["decode"].append(rank)
    assert outage.expected(release, 7) == 7 + 145 + 110  # type: ignore[arg-type]


def test_a_network_is_healed_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    rules: list[tuple[str, ...]] = []

    def on_node(release: Any, node: str, program: str, wait: str, how: str, *rule: str) -> None:
        assert (release, node, wait) == (None, "node-1", "--wait")
        if program == "ip6tables" and how == "-I" and "OUTPUT" in rule:
            raise UserError("no")
        key = (program, *rule)
        if how == "-I":
            rules.append(key)
        else:
            rules.remove(key)

    found = SimpleNamespace(spec=SimpleNamespace(node_name="node-1"), status=SimpleNamespace(pod_ip="10.244.1.7"))
    monkeypatch.setattr(cuts, "on_node", on_node)
    monkeypatch.setattr(cuts, "pod_of", lambda release, component: found)
    seen: list[tuple[str, ...]] = []
    monkeypatch.setattr(cuts, "pause", lambda seconds: seen.extend(rules))
    cuts.pod(None, "decode", 30)  # type: ignore[arg-type]
    assert seen == [("iptables", "FORWARD", side, "10.244.1.7", "-j", "DROP") for side in ("-s", "-d")]
    with pytest.raises(UserError):
        cuts.node(None, "decode", 30)  # type: ignore[arg-type]
    assert not rules


def test_a_drained_node_takes_pods_again_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, ...]] = []

    def kubectl(*arguments: str) -> None:
        said.append(arguments)
        if arguments[0] == "drain":
            raise UserError("no")

    subject = SimpleNamespace(release=SimpleNamespace(name="demo"), kube=SimpleNamespace(kubectl=kubectl))
    pod = SimpleNamespace(spec=SimpleNamespace(node_name="node-1"))
    monkeypatch.setattr(faults, "pod_of", lambda release, component: pod)
    with pytest.raises(UserError):
        planned.drain(subject)  # type: ignore[arg-type]
    options = ("--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector=app.kubernetes.io/instance=demo")
    assert said == [("drain", "node-1", *options), ("uncordon", "node-1")]


def test_another_image_is_on_every_node_before_pods_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tagged: list[tuple[str, str]] = []
    monkeypatch.setattr(faults, "on_node", lambda release, node, *command: tagged.append((node, command[-1])))
    nodes = [SimpleNamespace(metadata=SimpleNamespace(name=f"node-{number}")) for number in (1, 2)]

    def upgrade(change: dict[str, Any]) -> None:
        (pod,) = render(merged(trial.VALUES, change)).pods("decode")
        wanted = runtimes.full_name(pod.container("engine").spec["image"])
        assert tagged == [("node-1", wanted), ("node-2", wanted)]

    subject = SimpleNamespace(release=None, kube=SimpleNamespace(nodes=lambda: nodes), upgrade=upgrade)
    planned.another_image(subject)  # type: ignore[arg-type]
    assert tagged


def test_a_chart_of_the_past(tmp_path: Path) -> None:
    with trial.chart_of("HEAD") as folder:
        assert (Path(folder) / "Chart.yaml").is_file()
    with pytest.raises(UserError, match="the whole history is needed"), trial.chart_of("0000000"):
        pass
    with trial.chart_of("") as folder:
        assert folder == str(ROOT)


def test_the_page_keeps_the_cases_that_did_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "reliability.md"
    page.write_text("# Page\n<!-- Cases: begin -->\n<!-- Cases: end -->\nEnd\n")
    monkeypatch.setattr(report, "PAGE", page)
    page.write_text(report.page([outcome_of("another block size", {"e503": 1}), outcome_of("a drained node")]))
    page.write_text(report.page([outcome_of("a drained node", {"e500": 4})]))
    lines = page.read_text().splitlines()
    assert [line.split("|")[1].strip() for line in lines[4:6]] == ["another block size", "a drained node"]
    assert "1 x e503" in lines[4]
    assert "asks again" in lines[4] or "ask again" in lines[4]
    assert "4 x e500" in lines[5]
    assert lines[-1] == "End"
