"""Notices against a real server of this process, real files and real commands."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scrimp.api import Direction, PlannedAction, Reached, Refusal, Refused, Services, Throttled, Unavailable
from scrimp.testing.contract import ProviderContract
from scrimp_actions.local.provider import FACTORY as LOCAL
from scrimp_actions.notify.provider import FACTORY, NotifyProvider, build


def provider(state: Path, *, allow: bool = False, **hooks: str) -> NotifyProvider:
    services = Services(time.time, time.sleep, state, allow_run_command=allow)
    webhooks = {name: {"url": url, "headers": {"X-Token": "t0ken"}} for name, url in hooks.items()}
    return build({"webhooks": webhooks}, services)


def act(name: str, **args: str) -> PlannedAction:
    return PlannedAction(name, "job/a-0", args, None, Direction.NEUTRAL, {}, {}, None)


def lines(state: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (state / "alerts.jsonl").read_text().splitlines()]


@contextmanager
def server(
    *statuses: int, trickle: bool = False
) -> Iterator[tuple[str, list[tuple[dict[str, str], object]]]]:
    """Answers with these statuses in turn, the last one for ever. Gives its address, and what it was sent."""
    got: list[tuple[dict[str, str], object]] = []
    left = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), json.loads(body)))
            while trickle and not left.wait(0.05):
                try:
                    self.wfile.write(b"H")
                except OSError:
                    return
            self.send_response(statuses[min(len(got), len(statuses)) - 1])
            self.send_header("Retry-After", "7")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{found.server_port}/s3cret", got
    finally:
        left.set()
        found.shutdown()
        thread.join(10)
        found.server_close()


class TestContract(ProviderContract):
    @pytest.fixture(autouse=True)
    def state(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def provider(self) -> NotifyProvider:
        return provider(self.folder)

    def action(self) -> PlannedAction:
        return act("alert", message="look", severity="warning")


def test_an_alert_is_one_line_whatever_happens(tmp_path: Path) -> None:
    """Also after a crash in the middle of a line, and before the key was noted as done."""
    (tmp_path / "alerts.jsonl").write_text("")
    made = provider(tmp_path)
    made.apply(act("alert", message="look", severity="warning"), key="k", deadline_s=5)
    for note in (tmp_path / "done/notify").glob("*.json"):
        note.unlink()
    made.apply(act("alert", message="look", severity="warning"), key="k", deadline_s=5)
    (only,) = lines(tmp_path)
    assert (only["severity"], only["message"], only["target"]) == ("warning", "look", "job/a-0")
    with (tmp_path / "alerts.jsonl").open("a") as file:
        file.write('{"torn')
    made.apply(act("alert"), key="k2", deadline_s=5)
    assert json.loads((tmp_path / "alerts.jsonl").read_text().splitlines()[-1])["key"] == "k2"


def test_an_alert_goes_to_its_webhook_with_its_key(tmp_path: Path) -> None:
    with server(204) as (url, got):
        made = provider(tmp_path, oncall=url)
        first = made.apply(act("alert", to="oncall", message="look"), key="k", deadline_s=5)
        assert made.apply(act("alert", to="oncall", message="look"), key="k", deadline_s=5) == first
        ((headers, body),) = got
    assert (headers["Idempotency-Key"], headers["X-Token"]) == ("k", "t0ken")
    assert isinstance(body, dict)
    assert body["text"] == "job/a-0: look"
    assert "s3cret" not in first.detail + made.plan(act("alert", to="oncall")) + repr(made)


@pytest.mark.parametrize(
    ("status", "error"), [(429, Throttled), (503, Unavailable), (404, Refused), (302, Refused)]
)
def test_answers_have_consequences(tmp_path: Path, status: int, error: type[Exception]) -> None:
    """A failed call leaves the key open: the retry is sent with the same one, and ends it."""
    with server(status, 200) as (url, got):
        made = provider(tmp_path)
        with pytest.raises(error) as caught:
            made.apply(act("webhook", url=url), key="k", deadline_s=5)
        assert "s3cret" not in str(caught.value)
        assert made.probe(act("webhook", url=url), key="k", deadline_s=5).reached is Reached.UNTOUCHED
        made.apply(act("webhook", url=url), key="k", deadline_s=5)
        assert [headers["Idempotency-Key"] for headers, _ in got] == ["k", "k"]
    if isinstance(caught.value, Throttled):
        assert caught.value.retry_after_s == 7.0


def test_a_server_that_trickles_is_left_in_time(tmp_path: Path) -> None:
    with server(200, trickle=True) as (url, _):
        began_s = time.monotonic()
        with pytest.raises(Unavailable, match="no answer within"):
            provider(tmp_path).apply(act("webhook", url=url), key="k", deadline_s=0.5)
        assert time.monotonic() - began_s < 3


def test_nobody_there_is_unavailable(tmp_path: Path) -> None:
    with server(200) as (url, _):
        pass
    with pytest.raises(Unavailable, match="cannot be reached"):
        provider(tmp_path).apply(act("webhook", url=url), key="k", deadline_s=5)


def test_a_webhook_that_nobody_named_is_refused(tmp_path: Path) -> None:
    made = provider(tmp_path)
    for action in (act("alert", to="nobody"), act("webhook", url="ftp://x/y")):
        assert isinstance(made.revalidate(action, deadline_s=5), Refusal)
        with pytest.raises(Refused):
            made.apply(action, key="k", deadline_s=5)


def test_commands_are_off_unless_allowed(tmp_path: Path) -> None:
    action = act("run_command", command=f"touch {tmp_path}/ran")
    assert isinstance(provider(tmp_path).revalidate(action, deadline_s=5), Refusal)
    with pytest.raises(Refused, match="allow_run_command"):
        provider(tmp_path).apply(action, key="k", deadline_s=5)
    assert not (tmp_path / "ran").exists()


def test_a_command_is_run_once_and_told_its_target(tmp_path: Path) -> None:
    made = provider(tmp_path, allow=True)
    action = act("run_command", command=f'echo "$SCRIMP_TARGET" | tee -a {tmp_path}/ran')
    assert made.apply(action, key="k", deadline_s=20).detail == "job/a-0"
    made.apply(action, key="k", deadline_s=20)
    assert (tmp_path / "ran").read_text() == "job/a-0\n"


@pytest.mark.parametrize(
    ("command", "deadline_s", "cause"), [("sleep 30 & wait", 0.4, "killed"), ("exit 3", 20, "3")]
)
def test_a_command_that_failed_is_not_run_again(
    tmp_path: Path, command: str, deadline_s: float, cause: str
) -> None:
    """It may have done half of its work: a person has to look."""
    made = provider(tmp_path, allow=True)
    action = act("run_command", command=f"echo x >> {tmp_path}/ran; {command}")
    with pytest.raises(Refused, match=cause):
        made.apply(action, key="k", deadline_s=deadline_s)
    assert made.probe(action, key="k", deadline_s=5).reached is Reached.OTHER
    with pytest.raises(Refused, match="already"):
        made.apply(action, key="k", deadline_s=20)
    assert (tmp_path / "ran").read_text() == "x\n"


def test_the_entry_points_name_their_actions(tmp_path: Path) -> None:
    services = Services(time.time, time.sleep, tmp_path)
    made = FACTORY({}, services)
    assert all(made.handles(act(spec.name)) for spec in FACTORY.actions)
    assert {"scale_down", "checkpoint"} <= {spec.name for spec in LOCAL.actions}
    assert not {spec.name for spec in LOCAL.actions} & {spec.name for spec in FACTORY.actions}
