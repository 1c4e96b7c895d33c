"""A pushed correction carries a plate, and the worker stands inside: where it may go, and where not."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.stays import corrections
from parking_cloud.stays.push import push_due
from tests.factories import NOON, load_small_city
from tests.serving import client_of
from tests.stays.parts import ENTRY, VAULT, all_stays, arrive, passed

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


@pytest.fixture
async def operator(session: AsyncSession, redis: Redis) -> UUID:
    """An operator with a correction of a plate."""
    gate: Any = (await load_small_city(session))["garage-counter"]
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0)])
    (stay,) = await all_stays(session)
    await corrections.tell_plate(session, dict(stay._mapping), "read again", NOON)
    await session.commit()
    return UUID(str(await session.scalar(text("select id from operator"))))


@pytest.mark.parametrize(
    "url",
    [
        "http://lot.example/corrections",
        "https://127.0.0.1/corrections",
        "https://10.0.0.8/",
        "https://[::1]/",
        "https://[::ffff:192.168.1.1]/",
        "https://169.254.169.254/latest/",
        "https://224.0.0.1/",
        "https://name:word@lot.example/",
    ],
)
async def test_such_an_address_is_not_taken(settings: Settings, operator: UUID, url: str) -> None:
    chief = Identity(user_id=uuid4(), username="chief", role=Role.CITY_ADMINISTRATOR)
    signed = {"Authorization": f"Bearer {issue(chief, settings.secret_key, NOON)}"}
    async with client_of(settings, FixedClock(NOON)) as client:
        hook = f"/v1/stays/corrections/hook?operator_id={operator}"
        answer = await client.put(hook, json={"url": url}, headers=signed)
        good = await client.put(hook, json={"url": "https://lot.example/corrections"}, headers=signed)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "url")
    assert good.status_code == 200


class Lot(http.server.BaseHTTPRequestHandler):
    """A lot's own system; it keeps under which name it was called."""

    called: list[str] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).called.append(self.headers["Host"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def certificate(folder: Path, name: str) -> Path:
    """A certificate of that name with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOON - timedelta(days=4000))
        .not_valid_after(NOON + timedelta(days=4000))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture(params=["localhost", "other.example"])
def lot(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, int, Path]]:
    """A lot's system behind TLS on this machine: the name of its certificate, its port, the certificate."""
    Lot.called = []
    path = certificate(tmp_path, request.param)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Lot)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield request.param, server.server_port, path
    server.shutdown()
    server.server_close()


async def test_a_name_that_leads_inside_is_not_called_and_a_certificate_is_of_the_name(
    settings: Settings,
    session: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    operator: UUID,
    lot: tuple[str, int, Path],
) -> None:
    name, port, path = lot
    await corrections.set_hook(session, operator, f"https://localhost:{port}/corrections", NOON)
    await session.commit()
    inside = msgspec.structs.replace(settings, hooks_inside=True)
    trust = ssl.create_default_context(cafile=str(path))
    why = text("select failure from stay_correction")
    async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
        assert await push_due(sessions, client, settings, VAULT, NOON) == 1
        assert (Lot.called, await session.scalar(why)) == ([], "leads to a private address")
        await session.commit()
        assert await push_due(sessions, client, inside, VAULT, NOON + timedelta(minutes=1)) == 1
    matches = name == "localhost"
    assert Lot.called == ([f"localhost:{port}"] if matches else [])
    assert await session.scalar(why) == ("" if matches else "ConnectError")
