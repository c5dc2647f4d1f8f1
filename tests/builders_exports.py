"""Readings of a run, and a receiver that keeps what is posted to it."""

from __future__ import annotations

import gzip
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

from simfleet.load.exports.buckets import CallBuckets
from simfleet.load.exports.families import Family
from simfleet.load.exports.feed import Reading
from simfleet.load.progress import Progress
from simfleet.load.timeline import Interval
from simfleet.observe.histogram import FastHistogram

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROGRESS = Progress(
    elapsed_s=3.0,
    stage="hold",
    stage_left_s=1.0,
    chargers=2,
    wanted=2,
    connected=2,
    booted=2,
    transactions=1,
    calls=5,
    frames_per_s=10,
    problems=0,
    loop_lag_p99_ms=1.0,
    response_p99_ms=2.0,
)


def an_interval(tag: str, times_us: Sequence[int]) -> Interval:
    """What was answered in a second, all of one action and kind."""
    histogram = FastHistogram()
    histogram.set_tag(tag)
    for time_us in times_us:
        histogram.record_value(time_us)
    return Interval(0.0, 1.0, [histogram])


def buckets(times_us: Sequence[int]) -> CallBuckets:
    """Response times of Authorize."""
    calls = CallBuckets()
    calls.add(an_interval("Authorize.response", times_us))
    return calls


def a_reading(*more: Family, times_us: Sequence[int] = (900, 4_000, 60_000_000)) -> Reading:
    """The run's name, a counter with awkward labels, and the times of three CALLs."""
    calls = buckets(times_us)
    families = [
        Family(
            "simfleet_run_info",
            "gauge",
            "the run; always 1",
            "1",
            [((("scenario", "morning, peak"), ("seed", "7")), 1.0)],
        ),
        Family("simfleet_run_chargers", "gauge", "chargers", "1", [((("state", "alive"),), 2.0)]),
        Family(
            "simfleet_run_call_errors_total",
            "counter",
            "CALLERRORs",
            "1",
            [((("action", "Authorize"), ("code", 'a "b"\\,=c\nd')), 4.0)],
        ),
        Family(
            "simfleet_run_call_response_seconds",
            "histogram",
            "times",
            "s",
            [((("action", "Authorize"),), calls.of("Authorize", "response"))],
        ),
        *more,
    ]
    return Reading(
        at_wall_s=1_763_627_583.5,
        began_wall_s=1_763_627_580.0,
        progress=PROGRESS,
        families=families,
    )


class Post(NamedTuple):
    """A request as it arrived; `body` is no longer compressed."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiving:
    """Where `url` is, what came, and how it is answered."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.status = 204
        self.url = ""
        self.came = threading.Event()


@contextmanager
def receiving() -> Iterator[Receiving]:
    """A small HTTP server on loopback."""
    state = Receiving()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            post = Post(self.path, dict(self.headers.items()), gzip.decompress(body))
            state.posts.append(post)
            self.send_response(state.status)
            self.send_header("Content-Length", "8")
            self.end_headers()
            self.wfile.write(b"go away!")
            state.came.set()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name it has
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
