"""Downloads, against a host on the loopback interface that misbehaves as told."""

from __future__ import annotations

import time
from pathlib import Path

import download_helpers
import pytest
from download_helpers import (
    BODY,
    HALF,
    NAME,
    Behaviour,
    Handler,
    Host,
    names,
    no_wait,
    put,
    serve,
    stall,
    status,
    weights_file,
)

from cvpire.errors import WeightsError
from cvpire.weights.download import DownloadProgress, download_weights
from cvpire.weights.store import find_weights

home = download_helpers.home
host = download_helpers.host


def shifted(handler: Handler) -> None:
    """Answer every range with the wrong one."""
    if handler.headers.get("Range"):
        said = f"bytes 7-{len(BODY) - 1}/{len(BODY)}"
        handler.send(206, BODY[7:], Content_Length=len(BODY) - 7, Content_Range=said)
    else:
        serve()(handler)


def unsized(body: bytes) -> Behaviour:
    return lambda handler: handler.send(200, body)


def endless(handler: Handler) -> None:
    handler.send(200, b"")
    while not handler.server.closing.is_set():
        handler.wfile.write(bytes(1 << 16))
        handler.server.sent += 1 << 16


def test_download_reports_each_piece_and_is_found(host: Host, home: Path) -> None:
    steps: list[DownloadProgress] = []
    wanted = weights_file(host.plan(serve()))
    path = download_weights(wanted, progress=steps.append)
    assert path == home / NAME == find_weights(wanted)
    assert path.read_bytes() == BODY
    assert names(home) == {NAME}
    received = [step.received for step in steps]
    assert received == sorted(received)
    assert (received[0], len(received) > 3) == (0, True)
    assert steps[-1] == DownloadProgress(len(BODY), len(BODY), host.url(), 1)
    assert host.agents[0].startswith("cvpire/")
    assert download_weights(wanted) == path
    assert len(host.requests) == 1


def test_a_file_that_is_there_but_wrong_is_replaced(host: Host, home: Path) -> None:
    put(home / NAME, b"rubbish")
    assert download_weights(weights_file(host.plan(serve()))).read_bytes() == BODY


def test_cut_connections_are_resumed(host: Host) -> None:
    url = host.plan(serve(cut=300_000), serve(cut=300_000), serve())
    waits: list[float] = []
    steps: list[DownloadProgress] = []
    path = download_weights(weights_file(url), wait=waits.append, progress=steps.append)
    assert path.read_bytes() == BODY
    assert [asked for _, asked in host.requests] == [None, "bytes=300000-", "bytes=600000-"]
    assert host.sent == len(BODY)
    assert {step.attempt for step in steps} == {1, 2, 3}
    assert {step.total for step in steps} == {len(BODY)}
    assert [round(seconds - 0.125) for seconds in waits] == [1, 2]


def test_a_host_without_ranges_starts_from_zero(host: Host) -> None:
    url = host.plan(serve(cut=HALF), serve(ranges=False))
    steps: list[DownloadProgress] = []
    path = download_weights(weights_file(url), wait=no_wait, progress=steps.append)
    assert path.read_bytes() == BODY
    assert host.requests[1][1] == f"bytes={HALF}-"
    assert steps[-1].received == len(BODY)


@pytest.mark.parametrize("code", [500, 503, 429])
def test_a_passing_error_is_tried_again(host: Host, code: int) -> None:
    url = host.plan(status(code), serve())
    assert download_weights(weights_file(url), wait=no_wait).read_bytes() == BODY


def test_a_silent_host_times_out_and_the_rest_comes(host: Host) -> None:
    url = host.plan(stall(BODY[:HALF]), serve())
    start = time.monotonic()
    path = download_weights(weights_file(url), wait=no_wait, timeout=0.2)
    assert time.monotonic() - start < 10  # the host is silent for 20 s
    assert path.read_bytes() == BODY
    assert host.requests[1][1] == f"bytes={HALF}-"


def test_a_wrong_part_is_dropped(host: Host, home: Path) -> None:
    put(home / f"{NAME}.part", b"x" * HALF)
    path = download_weights(weights_file(host.plan(serve())), wait=no_wait)
    assert path.read_bytes() == BODY
    assert [asked for _, asked in host.requests] == [f"bytes={HALF}-", None]


@pytest.mark.parametrize("length", [len(BODY), len(BODY) + 9])
def test_a_wrong_part_as_long_as_the_file_is_dropped(host: Host, home: Path, length: int) -> None:
    put(home / f"{NAME}.part", b"x" * length)
    path = download_weights(weights_file(host.plan(serve())), wait=no_wait)
    assert path.read_bytes() == BODY
    assert [asked for _, asked in host.requests] == [f"bytes={length}-", None]


def test_a_part_that_is_complete_needs_no_host(home: Path) -> None:
    put(home / f"{NAME}.part", BODY)
    assert download_weights(weights_file()).read_bytes() == BODY
    assert names(home) == {NAME}


def test_a_range_that_was_not_asked_for_is_not_appended(host: Host, home: Path) -> None:
    put(home / f"{NAME}.part", BODY[:HALF])
    wanted = weights_file(host.plan(shifted))
    with pytest.raises(WeightsError, match="came the range 'bytes 7-"):
        download_weights(wanted, attempts=1)
    assert download_weights(wanted).read_bytes() == BODY
    assert [asked for _, asked in host.requests] == [f"bytes={HALF}-", None]


def test_a_body_of_unknown_length(host: Host) -> None:
    url = host.plan(unsized(BODY[:HALF]), unsized(BODY))
    steps: list[DownloadProgress] = []
    path = download_weights(weights_file(url), wait=no_wait, progress=steps.append)
    assert path.read_bytes() == BODY
    assert steps[-1].total is None


def test_mirrors_come_after_the_origin(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVPIRE_WEIGHTS_MIRRORS", f" {host.url('/b/')} ,,{host.url('/c')}")
    host.plan(serve(), path=f"/c/{NAME}")
    path = download_weights(weights_file(host.url("/gone")), mirrors=[host.url("/a")])
    assert path.read_bytes() == BODY
    asked = [path for path, _ in host.requests]
    assert asked == ["/gone", f"/a/{NAME}", f"/b/{NAME}", f"/c/{NAME}"]


def test_the_next_url_resumes_what_the_first_began(host: Host) -> None:
    first = host.plan(serve(cut=HALF), path="/first")
    second = host.plan(serve(), path="/second")
    assert download_weights(weights_file(first, second)).read_bytes() == BODY
    assert host.requests == [("/first", None), ("/second", f"bytes={HALF}-")]


def test_a_lying_mirror_poisons_nothing(host: Host, home: Path) -> None:
    wrong = host.plan(serve(b"x" * len(BODY)), path="/wrong")
    good = host.plan(status(503), serve(), path="/good")
    path = download_weights(weights_file(wrong, good), wait=no_wait)
    assert path.read_bytes() == BODY
    # The whole wrong file is not fetched twice.
    assert host.requests == [("/wrong", None), ("/good", None), ("/good", None)]


def test_wrong_content_is_never_kept(host: Host, home: Path) -> None:
    with pytest.raises(WeightsError, match="wrong sha256"):
        download_weights(weights_file(host.plan(serve(b"x" * len(BODY)))), wait=no_wait)
    assert names(home) == set()


def test_an_endless_body_is_stopped(host: Host, home: Path) -> None:
    with pytest.raises(WeightsError, match="more than the expected"):
        download_weights(weights_file(host.plan(endless)), wait=no_wait)
    assert len(host.requests) == 1
    assert names(home) == set()


def test_a_file_announced_as_too_long_is_not_fetched(host: Host, home: Path) -> None:
    put(home / f"{NAME}.part", BODY[:HALF])
    with pytest.raises(WeightsError, match="offers 2,097,152 bytes"):
        download_weights(weights_file(host.plan(serve(BODY * 2))), wait=no_wait)
    assert (home / f"{NAME}.part").stat().st_size == HALF


def test_the_last_error_says_why_and_what_to_do(host: Host) -> None:
    gone = [host.plan(status(code), path=f"/{code}") for code in (404, 403, 410)]
    poor = host.plan(status(503), path="/poor")
    refused = "http://127.0.0.1:1/net"
    urls = (*gone, poor, refused, "ftp://127.0.0.1/net", "http://[broken")
    with pytest.raises(WeightsError) as caught:
        download_weights(weights_file(*urls), wait=no_wait, attempts=3)
    message = str(caught.value)
    for expected in (*urls, "404", "403", "410", "503", "refused", "http or https"):
        assert expected in message
    assert "CVPIRE_WEIGHTS_MIRRORS" in message
    assert "python -m cvpire weights import FILE" in message
    asked = [path for path, _ in host.requests]
    assert asked == ["/404", "/403", "/410", "/poor", "/poor", "/poor"]
