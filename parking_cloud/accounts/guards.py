"""Who may call a route: every handler declares one of these in `guards`, and a test holds it to that."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from parking_cloud.accounts.roles import Role
from parking_cloud.kernel.problems import NotAllowed, NotSignedIn


class Access:
    """A guard: lets a request pass, or raises NotSignedIn or NotAllowed."""

    def __init__(self, name: str, roles: frozenset[Role] | None) -> None:
        self.name = name
        self.roles = roles
        """None: everybody, signed in or not."""

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        # A plain function would be called in a thread, at the price of the whole rest of a small answer.
        if self.roles is None:
            return
        if connection.scope.get("user") is None:
            raise NotSignedIn()
        if connection.user.role not in self.roles:
            raise NotAllowed()

    def __repr__(self) -> str:
        return f"<{self.name}>"


public = Access("public", None)
signed_in = Access("signed in", frozenset(Role))


def allow(*roles: Role) -> Access:
    """A guard for some roles."""
    return Access(f"allow {', '.join(roles)}", frozenset(roles))


def access_of(handler: BaseRouteHandler) -> list[Access]:
    """The access declared for a handler, on itself or on what it belongs to."""
    layers = handler.ownership_layers
    return [guard for layer in layers for guard in layer.guards or () if isinstance(guard, Access)]
