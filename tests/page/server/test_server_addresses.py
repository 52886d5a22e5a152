"""Whose address the server believes: the peer's, or the trusted proxy's word."""

from __future__ import annotations

from typing import Any

import pytest
import server_fixtures
from server_helpers import Api, Gate, order

from page.server.blocks import Page
from page.server.visitors import find_address

page = server_fixtures.page
api = server_fixtures.api
gate = server_fixtures.gate
photo = server_fixtures.photo
path = server_fixtures.path


def test_no_header_is_believed_unless_the_operator_names_it(
    api: Api, gate: Gate, page: Page, path: str
) -> None:
    events, refused = [], 0
    for number in range(6):
        headers = {"X-Forwarded-For": f"198.51.100.{number}", "X-Real-IP": f"192.0.2.{number}"}
        status, answer = Api(page, headers).send(order(path))
        events += [answer["event_id"]] if status == 200 else []
        refused += status == 422
    assert len(events) == refused == 3
    gate.go_on.set()
    for event in events:
        api.result(event)


class Request:
    """As much of a request as tells where it comes from."""

    def __init__(self, peer: str | None, **headers: str) -> None:
        from starlette.datastructures import Address, Headers

        self.client = None if peer is None else Address(peer, 1)
        self.headers = Headers({name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("request_", "header", "address"),
    [
        (Request("192.0.2.1"), "", "192.0.2.1"),
        (Request("192.0.2.1", x_forwarded_for="192.0.2.9"), "", "192.0.2.1"),
        (Request("192.0.2.1", x_forwarded_for="192.0.2.9"), "X-Forwarded-For", "192.0.2.9"),
        (
            Request("192.0.2.1", x_forwarded_for="1.1.1.1, 192.0.2.9"),
            "x-forwarded-for",
            "192.0.2.9",
        ),
        (Request("192.0.2.1", x_forwarded_for="1.1.1.1, unknown"), "X-Forwarded-For", "192.0.2.1"),
        (Request("192.0.2.1", x_forwarded_for=""), "X-Forwarded-For", "192.0.2.1"),
        (Request("192.0.2.1"), "X-Forwarded-For", "192.0.2.1"),
        (Request("192.0.2.1", x_real_ip="[2001:db8::1:2]:47"), "X-Real-IP", "2001:db8::/64"),
        (Request("2001:db8:0:0:ffff::1"), "", "2001:db8::/64"),
        (Request("::ffff:192.0.2.1"), "", "192.0.2.1"),
        (Request("fe80::1%eth0"), "", "fe80::/64"),
        (Request(None), "", ""),
        (Request("testclient"), "", ""),
    ],
)
def test_an_address_is_what_the_peer_or_the_trusted_proxy_says(
    request_: Any, header: str, address: str
) -> None:
    assert find_address(request_, header) == address
