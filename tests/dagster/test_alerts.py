"""Messages to the outside: what is told, once, to a real HTTP server, and what never is."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.alerts import Alert, NotTaken, Told, address, failed_checks, post, stale_assets
from dagster_project.defs.alerts import alerts
from dagster_project.defs.build_lake import build_lake
from dagster_project.nodes import Nodes
from dagster_project.stock import CHECKS
from goe_lake.errors import ConfigError

#: All that a message may hold; a field that is added is added on purpose.
FIELDS = {
    "version", "kind", "at", "what", "severity", "node", "contig", "job", "step", "asset", "check", "run_id",
    "url", "text",
}  # fmt: skip


class Receiver(ThreadingHTTPServer):
    """A receiver on this machine that keeps what it is sent; *status* is its answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 204
        self.bodies: list[dict[str, str]] = []
        self.authorization: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook?secret=s3cret"


class Handler(BaseHTTPRequestHandler):
    """Keeps the body of each POST."""

    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status < 300:
            self.server.bodies.append(json.loads(body))
            self.server.authorization.append(self.headers.get("Authorization"))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A running receiver that GOE_ALERT_URL names."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setenv("GOE_ALERT_URL", server.url)
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def looks(instance: dg.DagsterInstance, nodes: Nodes) -> Callable[[], str]:
    """A function that lets the sensor look once, and gives what it says; it remembers as Dagster does."""
    cursor: list[str | None] = [None]

    def look() -> str:
        context = dg.build_sensor_context(instance, cursor=cursor[0], resources={"nodes": nodes})
        said = alerts(context)
        assert isinstance(said, dg.SkipReason)
        cursor[0] = context.cursor
        return said.skip_message or ""

    return look


def build(instance: dg.DagsterInstance, nodes: Nodes) -> dg.ExecuteInProcessResult:
    """One run of the job that builds a node."""
    return build_lake.execute_in_process(
        instance=instance, partition_key="EE", resources={"nodes": nodes}, raise_on_error=False
    )


def test_a_failed_run_is_told_once_and_names_no_file_value_or_sample(
    receiver: Receiver,
    looks: Callable[[], str],
    instance: dg.DagsterInstance,
    nodes: Nodes,
    node: Path,
    spoil: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
):
    """The message says which run of which node failed at which step; file, record and value stay inside."""
    monkeypatch.setenv("GOE_ALERT_TOKEN", "t0ken")
    monkeypatch.setenv("GOE_DAGSTER_URL", "https://dagster.example/")
    assert looks() == "0 messages sent"
    spoil(node.parent / "vcf" / "chr2.vcf.gz")
    run = build(instance, nodes)
    assert not run.success
    looks()
    looks()
    (told,) = receiver.bodies
    assert receiver.authorization == ["Bearer t0ken"]
    assert set(told) <= FIELDS
    assert (told["version"], told["kind"], told["severity"]) == ("alert/1", "run_failed", "error")
    assert (told["node"], told["job"], told["run_id"]) == ("EE", "build_lake", run.run_id)
    assert told["step"].startswith(("check_input", "convert_contig"))
    assert told["url"] == f"https://dagster.example/runs/{run.run_id}"
    for inside in ("vcf", "not-a-position", "GOE-EE-0", str(node.parent), "line"):
        assert inside not in json.dumps(told), inside


def judged(instance: dg.DagsterInstance, check: str, passed: bool, **metadata: object) -> None:
    """A verdict on `published_snapshot` enters the history."""
    severity = dg.AssetCheckSeverity.WARN if check == "call_rate" else dg.AssetCheckSeverity.ERROR
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            dg.AssetKey("published_snapshot"), check, passed, metadata, None, severity, None, True
        )
    )


def test_a_failed_check_is_told_once_and_what_was_before_is_not(
    receiver: Receiver, looks: Callable[[], str], instance: dg.DagsterInstance
):
    """At its first look the sensor tells nothing of the past; then each fresh failure of a check once."""
    judged(instance, "files_as_listed", False)
    looks()
    assert receiver.bodies == []
    judged(instance, "files_as_listed", False, sample="GOE-EE-000001")
    judged(instance, "settings_read", True)
    judged(instance, "call_rate", False, lowest=0.4)
    looks()
    looks()
    told = {body["check"]: body for body in receiver.bodies}
    assert len(receiver.bodies) == 2
    assert {name: body["severity"] for name, body in told.items()} == {
        "files_as_listed": "error",
        "call_rate": "warning",
    }
    assert all(set(body) <= FIELDS and body["asset"] == "published_snapshot" for body in told.values())
    assert "GOE-EE-0" not in json.dumps(receiver.bodies)
    assert "0.4" not in json.dumps(receiver.bodies)


def test_what_is_not_taken_is_sent_again(
    receiver: Receiver, looks: Callable[[], str], instance: dg.DagsterInstance
):
    """While the receiver is down the sensor fails, without its address, and nothing is lost."""
    looks()
    build(instance, Nodes(paths=""))
    receiver.status = 503
    for _ in range(2):
        with pytest.raises(NotTaken, match="answered 503") as refused:
            looks()
        assert "s3cret" not in str(refused.value)
    receiver.status = 204
    assert looks() == "1 messages sent"
    assert [body["kind"] for body in receiver.bodies] == ["run_failed"]


def test_settings_that_cannot_be_read_are_told_once(receiver: Receiver, looks: Callable[[], str], node: Path):
    """A node whose files are gone would otherwise simply never be built again."""
    looks()
    for vcf in (node.parent / "vcf").iterdir():
        vcf.unlink()
    looks()
    looks()
    assert [body["kind"] for body in receiver.bodies] == ["settings_unread"]
    assert str(node.parent) not in json.dumps(receiver.bodies)


def test_staleness_is_told_when_it_begins(
    receiver: Receiver, looks: Callable[[], str], monkeypatch: pytest.MonkeyPatch
):
    """Dagster's freshness daemon says what is stale; one message for each time that it becomes so."""
    states = {"lake_inventory": "PASS"}

    class State:
        def __init__(self, value: str) -> None:
            self.value = value

    class Record:
        def __init__(self, value: str) -> None:
            self.freshness_state = State(value)

    monkeypatch.setattr(
        dg.DagsterInstance,
        "get_freshness_state_records",
        lambda _, keys: {key: Record(states[key.to_user_string()]) for key in keys},
    )
    for state in ("PASS", "FAIL", "FAIL", "PASS", "FAIL"):
        states["lake_inventory"] = state
        looks()
    assert [(body["kind"], body["asset"]) for body in receiver.bodies] == [("stale", "lake_inventory")] * 2


def test_freshness_is_read_as_the_daemon_writes_it(instance: dg.DagsterInstance):
    """The record of a real instance is understood, and an asset without one is not stale."""
    from datetime import UTC, datetime

    from dagster_project.defs.inventory import lake_inventory

    fresh, names = stale_assets(instance, [lake_inventory.key], (), datetime.now(UTC))
    assert (fresh, names) == ([], ())


@pytest.mark.parametrize(
    "url",
    [
        "http://chat.example/hook",
        "ftp://chat.example",
        "chat.example",
        "https://",
        "http://127.0.0.1.example/",
    ],
)
def test_only_https_leaves_the_machine(url: str):
    """A message is never sent in the clear, and the complaint does not repeat the address."""
    with pytest.raises(ConfigError) as refused:
        address(url)
    assert "example" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://chat.example/hook", "http://127.0.0.1:8080/x", "http://localhost/x"]
)
def test_addresses_that_are_taken(url: str):
    """HTTPS to anywhere, and plain HTTP to this machine."""
    assert address(url) == url


def test_a_receiver_that_is_not_there_is_told_without_its_address():
    """The error of a refused connection names the setting only."""
    with pytest.raises(NotTaken, match="GOE_ALERT_URL does not answer") as refused:
        post("http://127.0.0.1:9/s3cret", "", Alert("stale", "now", "x"))
    assert "s3cret" not in str(refused.value)


def test_without_an_address_nobody_is_told(monkeypatch: pytest.MonkeyPatch, looks: Callable[[], str]):
    """The sensor runs from the start, and says what is missing."""
    monkeypatch.delenv("GOE_ALERT_URL", raising=False)
    assert looks() == "GOE_ALERT_URL is not set: nobody is told"


def test_the_memory_is_text(instance: dg.DagsterInstance):
    """What was told survives a restart of the daemon."""
    _, newest = failed_checks(instance, CHECKS, None, "")
    told = Told(7, newest, ("lake_inventory",), ())
    assert Told.from_json(told.to_json()) == told
    assert Told.from_json(None) is None
