"""`mqtts://` is TLS: a broker whose certificate is not trusted hears nothing from us, and no password."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis.asyncio import Redis
from structlog.testing import capture_logs

from parking_cloud.devstack import Server, free_port
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.intake import Intake
from sensor_gateway.pressure import Pressure
from sensor_gateway.publish import Publisher
from sensor_gateway.settings import Settings, SettingsError, load_settings
from sensor_gateway.transports import mqtt
from sensor_gateway.transports.mqtt import MqttIntake
from tests.sensor_gateway.parts import (
    frame,
    mosquitto,
    mqtt_intake,
    network_server,
    on_the_stream,
    register,
    running,
    until,
)

pytestmark = pytest.mark.anyio


class Authority:
    """A certificate authority made for a test, and a broker's certificate from it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        own = self._certificate("test authority", "test authority", key, key, authority=True)
        self.file = folder / "ca.pem"
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))
        broker = ec.generate_private_key(ec.SECP256R1())
        signed = self._certificate("127.0.0.1", "test authority", broker, key, authority=False)
        self.certificate, self.key = folder / "broker.pem", folder / "broker.key"
        self.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        self.key.write_bytes(
            broker.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    @staticmethod
    def _certificate(
        subject: str,
        issuer: str,
        key: ec.EllipticCurvePrivateKey,
        by: ec.EllipticCurvePrivateKey,
        *,
        authority: bool,
    ) -> x509.Certificate:
        def name(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        now = datetime.now(UTC)
        here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([here]), critical=False)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .sign(by, hashes.SHA256())
        )


class Broker:
    """A Mosquitto that speaks TLS on one port, and plainly to network servers on another."""

    def __init__(self, server: Server, authority: Authority, tls_port: int, plain_port: int) -> None:
        self.server = server
        self.authority = authority
        self.url = f"mqtts://127.0.0.1:{tls_port}"
        self.plain = f"mqtt://127.0.0.1:{plain_port}"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    authority = Authority(tmp_path / "authority")
    tls_port, plain_port = free_port(), free_port()
    lines = [
        f"listener {tls_port} 127.0.0.1",
        f"certfile {authority.certificate}",
        f"keyfile {authority.key}",
        f"listener {plain_port} 127.0.0.1",
        "allow_anonymous true",
    ]
    with mosquitto(tmp_path / "tls", lines, plain_port) as server:
        yield Broker(server, authority, tls_port, plain_port)


@pytest.mark.stack
async def test_uplinks_come_by_tls_from_a_broker_that_is_trusted(
    redis: Redis, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(broker.authority.file))
    await register(redis, 1)
    intake = await mqtt_intake(redis, broker.url)
    async with running(intake):
        with network_server(broker.plain) as sender:
            await sender.send(frame(1, 5))
            assert [o.frame_counter for o in await on_the_stream(redis, 1)] == [5]


@pytest.mark.stack
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_broker_that_is_not_trusted_is_told_nothing(
    redis: Redis, broker: Broker, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """Its authority is unknown, or its certificate is for another name."""
    if host == "localhost":
        monkeypatch.setenv("SSL_CERT_FILE", str(broker.authority.file))
    intake = await mqtt_intake(redis, broker.url.replace("127.0.0.1", host))
    with capture_logs() as logs:
        async with running(intake, subscribed=False):
            await until(lambda: [log for log in logs if "no conversation" in log["event"]])
    assert "certificate verify failed" in logs[-1]["error"]
    assert not intake.subscribed.is_set()


@pytest.mark.stack
async def test_tls_is_not_left_off_where_the_broker_speaks_plainly(redis: Redis, broker: Broker) -> None:
    intake = await mqtt_intake(redis, broker.plain.replace("mqtt://", "mqtts://"))
    with capture_logs() as logs:
        async with running(intake, subscribed=False):
            await until(lambda: [log for log in logs if "no conversation" in log["event"]])
    assert not intake.subscribed.is_set()


@pytest.mark.parametrize(("scheme", "port"), [("mqtt", 1883), ("mqtts", 8883)])
async def test_the_port_that_is_not_given_is_the_schemes_own(
    monkeypatch: pytest.MonkeyPatch, scheme: str, port: int
) -> None:
    asked: list[object] = []

    async def connect(host: str, port: int, **_: object) -> None:
        asked.append((host, port))
        raise ConnectionRefusedError

    monkeypatch.setattr(mqtt.asyncio, "open_connection", connect)
    redis = Redis(port=1)
    intake = MqttIntake(
        f"{scheme}://broker", "me", "", Intake(DirectoryFollower(redis), Publisher(redis, 1)), Pressure()
    )
    with pytest.raises(ConnectionRefusedError):
        await intake.leave()
    assert asked == [("broker", port)]


@pytest.mark.parametrize("url", ["", "mqtt://b", "mqtts://u:p@b:8884", "MQTTS://[::1]:8883"])
def test_a_brokers_address_is_taken(url: str) -> None:
    assert load_settings({"PARKING_REDIS_URL": "r", "PARKING_MQTT_URL": url}) == Settings(
        redis_url="r", mqtt_url=url
    )


@pytest.mark.parametrize(
    "url",
    ["ws://b", "ssl://b", "mqtt:b", "b:1883", "mqtt://", "mqtt://u:secret@b:0", "mqtt://b:99999", "tcp://b"],
)
def test_any_other_address_is_refused_at_the_start_without_showing_it(url: str) -> None:
    with pytest.raises(SettingsError, match="PARKING_MQTT_URL") as refusal:
        load_settings({"PARKING_REDIS_URL": "r", "PARKING_MQTT_URL": url})
    assert "secret" not in str(refusal.value)
