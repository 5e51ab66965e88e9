"""A small real HTTP server that answers as no healthy Prometheus would: each oddity is a cause, and none looks like data."""

import base64
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.collectors.catalogue import CATALOGUE
from tests.servers import free_port

from scrimp.api import Services, Unavailable
from scrimp.collectors import Gatherer, GatherSettings
from scrimp.collectors.prometheus import PrometheusCollector
from scrimp.config import Secret

NOW = 1_800_000_000.0
SERVICES = Services(lambda: NOW, lambda _: None, Path())
QUERY = {"kind": "node_group", "field": "size", "query": "groups", "label": "group"}


@dataclass
class Odd:
    """What the server says: `body` for a query, and the same with times for its `timestamp(…)`, unless `write` does it."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    write: Callable[[Any], None] | None = None
    stamps: bytes | None = None
    seen: list[tuple[dict[str, str], dict[str, list[str]]]] = field(default_factory=list)
    url: str = ""


def vector(*values: tuple[str, Any], **more: Any) -> bytes:
    result = [{"metric": {"group": name}, "value": [NOW, value]} for name, value in values]
    return json.dumps(
        {"status": "success", "data": {"resultType": "vector", "result": result}, **more}
    ).encode()


@pytest.fixture
def odd() -> Iterator[Odd]:
    found = Odd(body=vector(("a", "4")), stamps=vector(("a", str(NOW - 5))))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            found.seen.append((dict(self.headers), form))
            asked = form["query"][0]
            body = found.stamps if found.stamps is not None and asked.startswith("timestamp(") else found.body
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            if found.write is not None:
                self.end_headers()
                try:
                    found.write(self.wfile)
                except OSError:
                    return  # the other side has had enough
            else:
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def collector(odd: Odd, **options: Any) -> PrometheusCollector:
    return PrometheusCollector({"url": odd.url, "queries": [QUERY], **options}, SERVICES)


def cause(odd: Odd, deadline_s: float = 10.0) -> str:
    with pytest.raises(Unavailable) as raised:
        collector(odd).collect(NOW, deadline_s=deadline_s)
    return str(raised.value)


def test_a_healthy_answer_has_value_and_age(odd: Odd) -> None:
    """So that the oddities below fail for what is odd about them."""
    (batch,) = collector(odd).collect(NOW, deadline_s=10).batches
    assert (batch.names, batch.fields, batch.sampled_at_s) == (["a"], {"size": [4.0]}, [NOW - 5])


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf", "many", "", "1e999"])
def test_what_is_no_number_is_unknown(odd: Odd, text: str) -> None:
    """And only that row of it."""
    odd.body = vector(("a", text), ("b", "7"))
    odd.stamps = vector(("a", str(NOW)), ("b", str(NOW)))
    (batch,) = collector(odd).collect(NOW, deadline_s=10).batches
    assert batch.fields == {"size": [None, 7.0]}


@pytest.mark.parametrize("stamps", [vector(), vector(("a", "NaN")), vector(("b", "1"))])
def test_a_value_of_unknown_age_is_unknown(odd: Odd, stamps: bytes) -> None:
    """Prometheus shows a sample for five minutes; without its time it could be of any age."""
    odd.stamps = stamps
    (batch,) = collector(odd).collect(NOW, deadline_s=10).batches
    assert batch.fields == {"size": [None]}


HTML = b"<html><body>Please log in</body></html>"
ODD_ANSWERS: list[tuple[int, bytes, str]] = [
    (200, HTML, "the answer is not that of a Prometheus"),
    (200, b"", "the answer is not that of a Prometheus"),
    (200, vector(("a", "1"))[:-20], "the answer is not that of a Prometheus"),
    (200, b"[1, 2]", "the answer is not that of a Prometheus"),
    (200, b"[" * 100_000, "the answer is not that of a Prometheus"),
    (200, b"\xff\xfe\x00", "the answer is not that of a Prometheus"),
    (200, b'{"status": "success"}', "the answer is not that of a Prometheus"),
    (200, b'{"status": "success", "data": {}}', "the answer has no result"),
    (200, b'{"status": "error", "error": "too many samples"}', "HTTP 200: too many samples"),
    (400, b'{"status": "error", "error": "parse error: bad"}', "HTTP 400: parse error: bad"),
    (422, b'{"status": "error"}', "HTTP 422: no reason given"),
    (503, HTML, "HTTP 503"),
    (401, b"", "HTTP 401"),
    (302, b"", "HTTP 302: a redirect, which is not followed; `url` must be the final address"),
    (200, vector(("a", "1"), warnings=["store b is down"]), "partial answer: store b is down"),
    (200, vector(("a", "1"), warnings="odd"), "partial answer: odd"),
    (200, vector(("a", "1"), ("a", "2")), "two series for `a`: aggregate by `group`"),
    (200, vector(("", "1")), "a series has no label `group`"),
    (
        200,
        b'{"status": "success", "data": {"resultType": "scalar", "result": [1, "4"]}}',
        "the query gives a scalar, and not a series per row",
    ),
    (
        200,
        b'{"status": "success", "data": {"resultType": "string", "result": [1, "x"]}}',
        "the query gives a string, and not a series per row",
    ),
    *(
        (
            200,
            json.dumps({"status": "success", "data": {"resultType": "vector", "result": [one]}}).encode(),
            "a series of the answer is malformed",
        )
        for one in (7, {}, {"metric": {"group": "a"}}, {"metric": 3, "value": [1, "2"]},
                    {"metric": {"group": "a"}, "value": 4}, {"metric": {"group": "a"}, "value": ["x", "2"]})
    ),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "said"), ODD_ANSWERS)
def test_an_odd_answer_is_a_cause(odd: Odd, status: int, body: bytes, said: str) -> None:
    """Nothing raises anything else, and nothing is taken for an empty world."""
    odd.status, odd.body, odd.stamps = status, body, None
    odd.headers = {"Location": "http://elsewhere.test/"} if status == 302 else {}
    assert cause(odd) == said


def test_a_broken_stamp_says_so(odd: Odd) -> None:
    odd.stamps = vector(("a", "1"), warnings=["late"])
    assert cause(odd) == "when its samples were taken is not known: partial answer: late"


def test_one_bad_query_leaves_the_others(odd: Odd) -> None:
    """A typo in one expression must not hide the fleet."""
    odd.body = vector(("a", "1"), ("a", "2"))
    odd.stamps = vector(("a", str(NOW)))
    good = {**QUERY, "field": "gpu_utilization", "query": "timestamp(good)"}
    found = PrometheusCollector({"url": odd.url, "queries": [QUERY, good]}, SERVICES).collect(
        NOW, deadline_s=10
    )
    assert found.failed == {"node_group.size": "two series for `a`: aggregate by `group`"}
    assert [list(batch.fields) for batch in found.batches] == [["gpu_utilization"]]


def drip(stream: Any) -> None:
    """A byte now and then, each well within any timeout of its own."""
    for _ in range(200):
        stream.write(b" ")
        stream.flush()
        time.sleep(0.05)


def test_a_slow_drip_ends_at_the_deadline(odd: Odd) -> None:
    """Each byte came in time; all of them together never would."""
    odd.write = drip
    began = time.monotonic()
    assert cause(odd, deadline_s=0.5) == "no answer in time"
    assert time.monotonic() - began < 5


def test_silence_ends_at_the_deadline_and_delays_nobody(odd: Odd) -> None:
    released = threading.Event()
    odd.write = lambda _: released.wait(20)  # type: ignore[assignment, return-value]
    gatherer = Gatherer([collector(odd)], CATALOGUE, GatherSettings(deadline_s=0.5))
    found = gatherer.collect(NOW)
    released.set()
    assert found.statuses[0].cause in ("no answer in time", "no answer within 0.5s")
    assert "node_group" in found.snapshot.failures


def test_a_huge_answer_is_cut_off(odd: Odd) -> None:
    """Memory is finite; a compressed answer counts by what comes out of it."""
    odd.headers = {"Content-Encoding": "gzip"}
    odd.body = gzip.compress(b" " * (65 * 2**20), 1)
    odd.stamps = None
    assert cause(odd, deadline_s=60) == "the answer is too large"


def test_what_is_not_gzip_is_a_cause(odd: Odd) -> None:
    odd.headers, odd.body, odd.stamps = {"Content-Encoding": "gzip"}, b"not gzip", None
    assert cause(odd) == "the answer cannot be decompressed"


def test_thousands_of_labels_are_only_labels(odd: Odd) -> None:
    """Each series says what it likes of itself; one label names the row."""
    labels = {f"label_{n}": "x" * 100 for n in range(2000)}
    result = [{"metric": {**labels, "group": f"g{n}"}, "value": [NOW, "1"]} for n in range(50)]
    odd.body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
    odd.stamps = vector(*((f"g{n}", str(NOW)) for n in range(50)))
    (batch,) = collector(odd).collect(NOW, deadline_s=30).batches
    assert len(batch.names) == 50


def test_nobody_listens() -> None:
    dead = Odd(url=f"http://127.0.0.1:{free_port()}")
    assert cause(dead).startswith("cannot be reached: ")


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        ({"token": Secret("s3cr3t")}, "Authorization", "Bearer s3cr3t"),
        (
            {"username": "ann", "password": Secret("s3cr3t")},
            "Authorization",
            "Basic " + base64.b64encode(b"ann:s3cr3t").decode(),
        ),
        ({"headers": {"X-Scope-OrgID": Secret("s3cr3t")}}, "X-Scope-OrgID", "s3cr3t"),
    ],
)
def test_credentials_are_sent_and_never_shown(
    odd: Odd, options: dict[str, Any], header: str, value: str
) -> None:
    source = collector(odd, **options)
    source.collect(NOW, deadline_s=10)
    assert {seen.get(header) for seen, _ in odd.seen} == {value}
    odd.status, odd.body, odd.stamps = 401, b'{"status": "error", "error": "no"}', None
    with pytest.raises(Unavailable) as raised:
        source.collect(NOW, deadline_s=10)
    assert "s3cr3t" not in str(raised.value) + repr(source)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "prometheus:9090"}, "`url` must be an address such as http://prometheus:9090"),
        ({"url": "http://[::1"}, "`url` is no address such as http://prometheus:9090"),
        ({"tokn": "x"}, "there is no option `tokn`; did you mean `token`?"),
        ({"token": "x", "username": "ann"}, "give `token`, or `username` and `password`, not both"),
        ({"queries": [{**QUERY, "scal": 2}]}, "there is no option `scal`; did you mean `scale`?"),
    ],
)
def test_a_section_that_cannot_work_is_refused_at_start(options: dict[str, Any], said: str) -> None:
    """A mistyped `token` must not become a question without credentials."""
    with pytest.raises(ValueError, match=r".") as raised:
        PrometheusCollector({"url": "http://127.0.0.1", "queries": [QUERY], **options}, SERVICES)
    assert str(raised.value) == said


@pytest.mark.parametrize(
    "body",
    [
        HTML,
        b'{"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {"group": "a"}}]}}',
    ],
)
def test_an_odd_past_is_a_cause_too(odd: Odd, body: bytes) -> None:
    odd.body = body
    found = Gatherer([collector(odd)], CATALOGUE).refill(NOW, {"prometheus": {("node_group", "size"): 60.0}})
    assert found.batches == ()
    assert found.causes
