"""The private servers keep what they accepted, touch nobody else's, and say what to do when missing."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from parking_cloud import devstack
from parking_cloud.devstack import DevstackError, Server, Stack, ensure_program


@pytest.fixture(autouse=True)
def no_given_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PARKING_DATABASE_URL", "PARKING_REDIS_URL", "PARKING_MQTT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.stack
def test_what_was_accepted_survives_kill_9_and_a_restart(tmp_path: Path) -> None:
    with Stack(tmp_path, progress=lambda _: None) as stack:
        with redis.Redis.from_url(stack.redis_url) as client:
            client.xadd("s", {"a": "1"})
        with psycopg.connect(stack.database_url) as connection:
            connection.execute("create table kept as select postgis_version() as version")
        stack.server("redis").stop(signal.SIGKILL)
        stack.server("postgres").stop(signal.SIGKILL)
    again = Stack(tmp_path, progress=lambda _: None)
    again.start()
    try:
        with redis.Redis.from_url(again.redis_url) as client:
            assert client.xlen("s") == 1
        with psycopg.connect(again.database_url) as connection:
            assert connection.execute("select count(*) from kept").fetchone() == (1,)
        assert stat.S_IMODE((tmp_path / "passwords.json").stat().st_mode) == 0o600
    finally:
        again.remove()


def test_a_process_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as foreign:
        (tmp_path / "redis.pid").write_text(f"{foreign.pid} 1")
        Server("redis", tmp_path).stop()
        assert foreign.poll() is None
        foreign.communicate(b"\n")
    assert foreign.returncode == 0


def test_a_missing_program_is_named_with_the_command_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devstack, "find_program", lambda _: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(DevstackError, match=r"apt-get install -y --no-install-recommends redis-server"):
        ensure_program("redis-server")


@pytest.mark.stack
def test_given_servers_are_used_and_none_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE", "REDIS", "MQTT"):
        monkeypatch.setenv(f"PARKING_{name}_URL", f"given-{name}")
    with Stack(tmp_path, progress=lambda _: None) as stack:
        assert (stack.database_url, stack.redis_url, stack.mqtt_url) == (
            "given-DATABASE",
            "given-REDIS",
            "given-MQTT",
        )
        assert list(tmp_path.glob("*.pid")) == []


def test_a_server_that_dies_at_once_shows_its_log(tmp_path: Path) -> None:
    server = Server("broken", tmp_path)
    server.start([sys.executable, "-c", "raise SystemExit('no such setting')"])
    with pytest.raises(DevstackError, match="no such setting"):
        server.wait(lambda: False)
