"""A flood of uplinks: prepared packets straight onto a socket, so that the load itself costs little."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

import mqtt5

from parking_cloud.demo.wire import uplink
from parking_cloud.registry.schemas import DeviceIn
from sensor_gateway.codecs import codec_for

_IN_FLIGHT = 2_000
_CHUNK = 100
_COUNTER_MARK = 987_654_321
_TIME_MARK = datetime(2001, 1, 1, 1, 1, 1, 111_111, tzinfo=UTC)


class Flood:
    """Publishes uplinks of `devices` in turn, over one MQTT session with at most 2,000 unacknowledged."""

    def __init__(self, url: str, client_id: str, devices: Sequence[DeviceIn]) -> None:
        self._templates = [template(device) for device in devices]
        self._socket, self._rest = _connect(url, client_id), b""
        self._unacknowledged = 0
        self._packet_id = 0
        self.sent = 0

    def send(self, count: int) -> None:
        """Publish the next `count` uplinks, as one write for every 100."""
        while count > 0:
            size = min(count, _CHUNK)
            self._wait_for_room(size)
            now = datetime.now(UTC).isoformat().replace("+00:00", "Z").encode()
            packets = [self._packet(self.sent + i, now) for i in range(size)]
            self._socket.sendall(b"".join(packets))
            self._unacknowledged += size
            self.sent += size
            count -= size
            self._read_acknowledgements(block=False)

    def at_rate(self, rate: float, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Publish at a steady rate, in small portions."""
        begun = time.perf_counter()
        first = self.sent
        while (elapsed := time.perf_counter() - begun) < seconds:
            due = int(rate * elapsed) - (self.sent - first)
            self.send(due)
            meanwhile()
            time.sleep(0.005)

    def reconnect(self, url: str, client_id: str, again_from: int) -> None:
        """After the broker broke off: a new session, and everything from number `again_from` once more."""
        self._socket, self._rest = _connect(url, client_id), b""
        self._unacknowledged = 0
        self.sent = again_from

    def close(self) -> None:
        """Wait for the broker's last acknowledgements and leave."""
        while self._unacknowledged:
            self._read_acknowledgements(block=True)
        self._socket.sendall(mqtt5.DisconnectPacket().write())
        self._socket.close()

    def _packet(self, number: int, now: bytes) -> bytes:
        templates = self._templates[number % len(self._templates)]
        topic, parts = templates[number // len(self._templates) % len(templates)]
        counter = b"%d" % (number // len(self._templates))
        payload = parts[0] + now + parts[1] + counter + parts[2]
        self._packet_id = self._packet_id % 65_535 + 1
        qos = mqtt5.QoS.AT_LEAST_ONCE
        return mqtt5.PublishPacket(topic, payload, qos=qos, packet_id=self._packet_id).write()

    def _wait_for_room(self, size: int) -> None:
        while self._unacknowledged + size > _IN_FLIGHT:
            self._read_acknowledgements(block=True)

    def _read_acknowledgements(self, *, block: bool) -> None:
        self._socket.setblocking(block)
        try:
            data = self._rest + self._socket.recv(65_536)
        except BlockingIOError:
            return
        finally:
            self._socket.setblocking(True)
        if len(data) == len(self._rest):
            raise ConnectionError("the broker closed the connection")
        view, position = memoryview(data), 0
        while position < len(data):
            try:
                packet, length = mqtt5.read(view[position:])
            except IndexError:
                break
            position += length
            self._unacknowledged -= isinstance(packet, mqtt5.PubAckPacket)
        self._rest = data[position:]


def template(device: DeviceIn) -> list[tuple[str, list[bytes]]]:
    """Topic and three parts of each uplink that the device sends in turn; time and counter go between.

    A change, then two heartbeats that say the same: occupied, and the next time free.
    """
    codec = codec_for(device.vendor, device.model, device.firmware_line)
    made = []
    for occupied in (True, False):
        beat = codec.encode_heartbeat(occupied, 3.4, 15.0)
        for f_port, data in (codec.encode_status(occupied), beat, beat):
            topic, body = uplink("chirpstack", device.dev_eui or "", _COUNTER_MARK, f_port, data, _TIME_MARK)
            mark = _TIME_MARK.isoformat().replace("+00:00", "Z").encode()
            head, _, rest = body.partition(mark)
            rest = rest.replace(mark, b"2001-01-01T00:00:00Z").replace(b"%d" % (_COUNTER_MARK + 1), b"1")
            middle, _, tail = rest.partition(b"%d" % _COUNTER_MARK)
            made.append((topic, [head, middle, tail]))
    return made


def _connect(url: str, client_id: str) -> socket.socket:
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 1883))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    password = (parts.password or "").encode()
    connection.sendall(
        mqtt5.ConnectPacket(
            client_id, username=parts.username, password=password, clean_start=True, keep_alive=0
        ).write()
    )
    answer, _ = mqtt5.read(memoryview(connection.recv(1_000)))
    welcome = mqtt5.ConnAckReasonCode.SUCCESS
    if not isinstance(answer, mqtt5.ConnAckPacket) or answer.reason_code is not welcome:
        raise ConnectionError(f"the broker refused us: {answer}")
    return connection
