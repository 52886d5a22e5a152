"""Who asks: a session, as the browser names itself, and an address, which is harder to make up."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from fastapi import Request


@dataclass(frozen=True)
class Visitor:
    """Who asks for a job.

    Attributes:
        session: what the client calls itself, or a name made up for it.
        address: the IP address (of IPv6 its network of 64 bits, which one visitor holds as a
            whole); "" where it is unknown.
    """

    session: str
    address: str


def find_address(request: Request, trusted_header: str = "") -> str:
    """The address that a request comes from.

    Args:
        request: as the server got it.
        trusted_header: in which the proxy before the server tells it; "" for no proxy. Its last
            entry counts: the proxy itself wrote it, whereas those before came from outside.

    Returns:
        An address as `Visitor` has it; that of the peer where the header is missing or is none.
    """
    if trusted_header:
        entries = ",".join(request.headers.getlist(trusted_header)).split(",")
        if address := _read_address(entries[-1]):
            return address
    return _read_address(request.client.host) if request.client else ""


def _read_address(text: str) -> str:
    """An address of a text such as "192.0.2.1", "192.0.2.1:4711" or "[2001:db8::1]:4711"."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)
