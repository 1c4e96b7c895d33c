"""A gate's own system on this machine, and passes for it."""

from __future__ import annotations

import base64
import hmac
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.gates import allow_list
from parking_cloud.gates.allow_list_keeping import AdapterIn, place_of, set_adapter
from parking_cloud.gates.allow_list_push import secret_of
from parking_cloud.gates.allow_list_rules import Way
from parking_cloud.kernel.settings import Settings
from tests.factories import NOON
from tests.stays.parts import plate

CHIEF = Identity(user_id=uuid4(), username="chief", role=Role.CITY_ADMINISTRATOR)
HOUR = timedelta(hours=1)
Said = dict[str, Any]


def says_yes(data: Said) -> tuple[int, Said]:
    """An answer by which every entry is accepted."""
    return 200, {"version": data["version"], "accepted": [entry["id"] for entry in data["entries"]]}


class Gate:
    """Keeps what it was told (the headers, the list), and answers as it was told to."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/list"
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[Said], tuple[int, Said]] = says_yes

    @property
    def lists(self) -> list[Said]:
        return [msgspec.json.decode(body)["data"] for _, body in self.heard]

    def signed_by(self, secret: bytes) -> bool:
        """Whether the newest message was signed by that secret."""
        headers, body = self.heard[-1]
        what = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.digest(secret, what, sha256)).decode()
        return headers["webhook-signature"] == f"v1,{expected}"


@contextmanager
def local_gate() -> Iterator[Gate]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            gate.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status, answer = gate.answer(msgspec.json.decode(body)["data"])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(msgspec.json.encode(answer))

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    gate = Gate(server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield gate
    finally:
        server.shutdown()
        server.server_close()


def local(settings: Settings) -> Settings:
    """Settings under which a gate on this machine may be told."""
    return msgspec.structs.replace(settings, demo=True, hooks_inside=True)


async def told_by(
    session: AsyncSession, settings: Settings, facility: str, way: Way, url: str | None = None
) -> bytes:
    """A facility's gate is told so from now on; the secret of its messages."""
    place = await place_of(session, CHIEF, facility)
    generation = await set_adapter(session, CHIEF, place, AdapterIn(way=way, url=url), NOON)
    await session.commit()
    return secret_of(settings.secret_key, place.id, generation)


async def given(
    session: AsyncSession,
    facility: UUID,
    number: str = "浙E12345",
    *,
    pass_id: UUID | None = None,
    start: float = 0,
    end: float = 2,
    now: datetime = NOON,
) -> UUID:
    """A pass for a vehicle, in hours from noon; committed."""
    id_ = pass_id or uuid4()
    sealed = plate(number)
    assert sealed.sealed is not None
    await allow_list.allow(
        session,
        pass_id=id_,
        facility_id=facility,
        plate_hash=sealed.hash,
        plate_sealed=sealed.sealed,
        during=[(NOON + start * HOUR, NOON + end * HOUR)],
        now=now,
    )
    await session.commit()
    return id_


async def state(session: AsyncSession, pass_id: UUID) -> str:
    await session.rollback()
    return (await allow_list.pass_states(session, [pass_id]))[pass_id]
