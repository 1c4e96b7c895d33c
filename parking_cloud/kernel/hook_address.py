"""Where messages with plates may be pushed: only encrypted, and to nothing in our own network.

A name is resolved before each push and that very address is called, so that it cannot be another one by then.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import NamedTuple

import httpx

from parking_cloud.kernel.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class HookRefused(ValueError):
    """Nothing is pushed to that address; the message says why."""


class Allowed(NamedTuple):
    plain: bool
    """Without encryption: in the demo."""
    inside: bool
    """Private addresses, where the operators' systems are in the city's own network."""


def allowed_by(settings: Settings) -> Allowed:
    return Allowed(plain=settings.demo, inside=settings.hooks_inside)


def check_address(url: str, allowed: Allowed) -> httpx.URL:
    """The address, if what is written there is allowed. Raises HookRefused."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise HookRefused("not an address") from error
    if parsed.scheme != "https" and not (allowed.plain and parsed.scheme == "http"):
        raise HookRefused("must begin with https://")
    if not parsed.host or parsed.userinfo:
        raise HookRefused("needs a host, and no password")
    literal = _literal(parsed.host)
    if literal is not None:
        _check([literal], allowed)
    return parsed


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _check(addresses: list[Address], allowed: Allowed) -> None:
    """Raise HookRefused if one of these is inside: of several, any may be called."""
    if not allowed.inside and not all(a.is_global and not a.is_multicast for a in addresses):
        raise HookRefused("leads to a private address")


class Target(NamedTuple):
    """What is called: an address, and the name that it has to answer to."""

    url: httpx.URL
    host: str
    extensions: dict[str, str]
    """By them the certificate is checked against the name."""


async def pinned(url: str, allowed: Allowed) -> Target:
    """The address that the url's name has now. Raises HookRefused."""
    parsed = check_address(url, allowed)
    addresses = await _resolved(parsed)
    _check(addresses, allowed)
    return Target(
        parsed.copy_with(host=str(addresses[0])),
        parsed.netloc.decode("ascii"),
        {"sni_hostname": parsed.raw_host.decode("ascii")},
    )


async def _resolved(url: httpx.URL) -> list[Address]:
    """Its addresses; IPv4 first, which every worker can reach."""
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            url.raw_host.decode("ascii"), port, type=socket.SOCK_STREAM
        )
    except OSError as error:
        raise HookRefused("the name has no address") from error
    addresses = [ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]
    return sorted(addresses, key=lambda address: address.version)
