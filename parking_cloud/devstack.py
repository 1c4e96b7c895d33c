"""Private servers for development and tests: PostgreSQL with PostGIS, Redis and Mosquitto.

Each lives in a folder of its own, on free ports of 127.0.0.1, with passwords made for it. Only what was
started here is ever stopped. Where PARKING_DATABASE_URL, PARKING_REDIS_URL or PARKING_MQTT_URL is set,
that service is used instead and nothing is started for it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import msgspec
import psycopg
import redis

PACKAGES = {
    "postgres": "postgresql-15-postgis-3",
    "redis-server": "redis-server",
    "mosquitto": "mosquitto",
    "chromium": "chromium",
    "npm": "npm",
}
"""Debian's package of each program."""
_READY_S = 60.0
_STOP_S = 20.0
_ATTEMPTS = 5
_LOCALHOST = "127.0.0.1"

Progress = Callable[[str], None]


class DevstackError(RuntimeError):
    """A server could not be had; the message says what to do."""


class Passwords(msgspec.Struct):
    """Made once for a folder and kept there, readable by its owner only."""

    postgres: str
    redis: str
    mqtt: str


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((_LOCALHOST, 0))
        return int(probe.getsockname()[1])


def find_program(name: str) -> Path | None:
    """Where a program is: PostgreSQL's newest from 15 on, else on PATH or in the system folders."""
    if name in ("postgres", "initdb"):
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: _number(p.parent.name))
        for folder in reversed(folders):
            if _number(folder.parent.name) >= 15 and (folder / name).exists():
                return folder / name
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def ensure_program(name: str, progress: Progress = print) -> Path:
    """The program, installed by apt where it is missing and we are root. Raises DevstackError."""
    found = find_program(name)
    if found and (name != "postgres" or _has_postgis(found)):
        return found
    package = PACKAGES[name]
    command = f"apt-get update && apt-get install -y --no-install-recommends {package}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise DevstackError(
            f"{name} is missing (缺少 {package}). As root run:  {command}\n"
            "or set PARKING_DATABASE_URL, PARKING_REDIS_URL and PARKING_MQTT_URL to servers you have."
        )
    progress(f"installing {package} …")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    found = find_program(name)
    if done.returncode != 0 or found is None:
        raise DevstackError(
            f"could not install {package}. Run it by hand to see why:  {command}\n{done.stderr[-800:]}"
        )
    return found


def _has_postgis(postgres: Path) -> bool:
    version = postgres.parent.parent.name
    folders = [Path(f"/usr/share/postgresql/{version}/extension"), postgres.parent.parent / "share/extension"]
    return any((folder / "postgis.control").exists() for folder in folders)


def ensure_chromium() -> Path | None:
    """Debian's Chromium, installed where we are root; None where it cannot be had."""
    try:
        return ensure_program("chromium", progress=lambda _: None)
    except DevstackError:
        return None


class Server:
    """One process that we started: it is known by its pid and start time, so no other is ever stopped."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.home = home
        self.log = home / f"{name}.log"
        self._record = home / f"{name}.pid"

    def start(
        self,
        command: Sequence[str | Path],
        user: pwd.struct_passwd | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the process in a session of its own, its output in the log."""
        options: dict[str, Any] = {}
        if user is not None:
            options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
                **options,
            )
        self._record.write_text(f"{process.pid} {start_time(process.pid)}")
        self._process = process

    def pid(self) -> int | None:
        """The pid, where the process that we started still runs."""
        try:
            pid, started = self._record.read_text().split()
        except (OSError, ValueError):
            return None
        return int(pid) if start_time(int(pid)) == started else None

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it and wait; killed where it does not end in time."""
        pid = self.pid()
        if pid is None:
            return
        os.kill(pid, number)
        if not self._gone(time.monotonic() + _STOP_S):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._gone(time.monotonic() + _STOP_S)
        self._record.unlink(missing_ok=True)

    def _gone(self, until: float) -> bool:
        while time.monotonic() < until:
            process = getattr(self, "_process", None)
            if process is not None:
                process.poll()  # a child of ours stays a zombie until it is asked
            if self.pid() is None:
                return True
            time.sleep(0.02)
        return False

    def wait(self, ready: Callable[[], bool]) -> None:
        """Until `ready`; DevstackError with the log's end where it dies or takes too long."""
        until = time.monotonic() + _READY_S
        while time.monotonic() < until:
            if self.pid() is None:
                break
            if ready():
                return
            time.sleep(0.05)
        tail = self.log.read_text(errors="replace")[-1500:] if self.log.exists() else ""
        raise DevstackError(f"{self.name} did not start. Its log, {self.log}, ends:\n{tail}")


def start_time(pid: int) -> str | None:
    """When a process started (kernel ticks), or None where it does not run."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


class Stack:
    """PostgreSQL, Redis and Mosquitto of our own under `home`. `fast` gives up durability, for tests."""

    def __init__(self, home: Path, progress: Progress = print, *, fast: bool = False) -> None:
        self.home = home
        self._progress = progress
        self._fast = fast
        self.database_url = os.environ.get("PARKING_DATABASE_URL", "")
        self.redis_url = os.environ.get("PARKING_REDIS_URL", "")
        self.mqtt_url = os.environ.get("PARKING_MQTT_URL", "")
        self._started: list[Server] = []
        self._launches: dict[str, Callable[[], None]] = {}

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start what is not given by the environment. Raises DevstackError, leaving nothing running."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home = self.home.resolve()
        passwords = self._passwords()
        try:
            if not self.database_url:
                self.database_url = self._start_postgres(passwords.postgres)
            if not self.redis_url:
                self.redis_url = self._start_redis(passwords.redis)
            if not self.mqtt_url:
                self.mqtt_url = self._start_mosquitto(passwords.mqtt)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what this object started; data stay."""
        for server in reversed(self._started):
            # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients to leave.
            server.stop(signal.SIGINT if server.name == "postgres" else signal.SIGTERM)
        self._started.clear()

    def remove(self) -> None:
        """Stop, and delete all data of these servers."""
        self.stop()
        pointer = self.home / "postgres-folder"
        if pointer.exists():
            shutil.rmtree(pointer.read_text(), ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)

    def kill(self, name: str) -> None:
        """kill -9 of one server: postgres, redis or mosquitto."""
        self.server(name).stop(signal.SIGKILL)

    def revive(self, name: str) -> None:
        """Start one server again, on the same port and data, and wait until it answers."""
        self._launches[name]()

    def server(self, name: str) -> Server:
        """A server of this folder: postgres, redis or mosquitto."""
        return next((s for s in self._started if s.name == name), Server(name, self.home))

    def _passwords(self) -> Passwords:
        path = self.home / "passwords.json"
        if path.exists():
            return msgspec.json.decode(path.read_bytes(), type=Passwords)
        made = Passwords(*(secrets.token_urlsafe(18) for _ in range(3)))
        write_private(path, msgspec.json.encode(made))
        return made

    def _launch(
        self,
        name: str,
        command: Sequence[str | Path],
        ready: Callable[[], bool],
        user: pwd.struct_passwd | None = None,
    ) -> None:
        self._launches[name] = partial(self._launch, name, command, ready, user)
        server = self.server(name)
        server.stop()  # left over from a run that was killed
        if server not in self._started:
            self._started.append(server)
        for attempt in range(_ATTEMPTS):
            server.start(command, user)
            try:
                server.wait(ready)
                return
            except DevstackError:
                # A PostgreSQL that was killed keeps its folder until its last child has noticed.
                if name != "postgres" or attempt == _ATTEMPTS - 1 or server.pid() is not None:
                    raise
            time.sleep(1)

    def _start_postgres(self, password: str) -> str:
        postgres = ensure_program("postgres", self._progress)
        user = _unprivileged_user()
        data = self._postgres_folder(user)
        if not (data / "PG_VERSION").exists():
            self._progress("creating the PostgreSQL database …")
            self._initdb(postgres.with_name("initdb"), data, user, password)
        self._progress("starting PostgreSQL …")
        port = free_port()
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-p", str(port)]
        for setting in ("max_connections=100", "shared_buffers=256MB", "timezone=UTC", "jit=off"):
            options += ["-c", setting]
        for setting in ("fsync=off", "full_page_writes=off", "synchronous_commit=off") if self._fast else ():
            options += ["-c", setting]
        url = f"postgresql://parking:{password}@{_LOCALHOST}:{port}"
        command: list[str | Path] = [postgres, "-D", data, *options]
        self._launch("postgres", command, lambda: _postgres_answers(f"{url}/postgres"), user)
        _create_database(f"{url}/postgres", f"{url}/parking")
        return f"{url}/parking"

    def _postgres_folder(self, user: pwd.struct_passwd | None) -> Path:
        """The data folder. Run as root, PostgreSQL's own user must be able to reach it."""
        plain = self.home / "postgres"
        if user is None:
            return plain
        pointer = self.home / "postgres-folder"
        if pointer.exists() and Path(pointer.read_text()).is_dir():
            return Path(pointer.read_text())
        reachable = all(folder.stat().st_mode & 0o001 for folder in (self.home, *self.home.parents))
        if reachable:
            plain.mkdir(exist_ok=True)
            folder = plain
        else:
            folder = Path(tempfile.mkdtemp(prefix="parking-postgres-", dir="/var/tmp"))
        shutil.chown(folder, user.pw_uid, user.pw_gid)
        folder.chmod(0o700)
        pointer.write_text(str(folder))
        return folder

    def _initdb(self, initdb: Path, data: Path, user: pwd.struct_passwd | None, password: str) -> None:
        read_end, write_end = os.pipe()
        os.write(write_end, password.encode() + b"\n")
        os.close(write_end)
        options: dict[str, Any] = (
            {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        )
        command = [str(initdb), "-D", str(data), "-U", "parking", "-E", "UTF8", "--locale=C.UTF-8"]
        command += ["-A", "scram-sha-256", f"--pwfile=/dev/fd/{read_end}"]
        if user is not None:
            # initdb reopens the descriptor by name, so the pipe must belong to its user.
            os.fchown(read_end, user.pw_uid, user.pw_gid)
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd="/", pass_fds=[read_end], **options
        )
        os.close(read_end)
        if done.returncode != 0:
            raise DevstackError(f"initdb failed in {data}:\n{done.stderr[-1000:]}")

    def _start_redis(self, password: str) -> str:
        program = ensure_program("redis-server", self._progress)
        self._progress("starting Redis …")
        folder = self.home / "redis"
        folder.mkdir(exist_ok=True)
        port = free_port()
        config = folder / "redis.conf"
        write_private(
            config,
            f"bind {_LOCALHOST}\nport {port}\ndir {folder}\nrequirepass {password}\n"
            # What was accepted survives kill -9: each command is written to the file before its answer.
            'appendonly yes\nappendfsync everysec\nsave ""\nmaxmemory-policy noeviction\n'.encode(),
        )
        url = f"redis://:{password}@{_LOCALHOST}:{port}/0"
        self._launch("redis", [program, config], lambda: _redis_answers(url))
        return url

    def _start_mosquitto(self, password: str) -> str:
        program = ensure_program("mosquitto", self._progress)
        self._progress("starting Mosquitto …")
        folder = self.home / "mosquitto"
        folder.mkdir(exist_ok=True)
        hasher = find_program("mosquitto_passwd")
        if hasher is None:
            raise DevstackError("mosquitto_passwd is missing; it belongs to Debian's package mosquitto.")
        users = folder / "users"
        users.unlink(missing_ok=True)
        subprocess.run(
            [str(hasher), "-c", "-b", str(users), "parking", password], check=True, capture_output=True
        )
        port = free_port()
        config = folder / "mosquitto.conf"
        lines = [
            f"listener {port} {_LOCALHOST}",
            "allow_anonymous false",
            f"password_file {users}",
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_interval 5",
            "max_queued_messages 0",
            "max_inflight_messages 2000",
            "set_tcp_nodelay true",
            "log_type error",
            "log_type warning",
        ]
        if os.geteuid() == 0:
            lines.append("user root")
        write_private(config, ("\n".join(lines) + "\n").encode())
        self._launch("mosquitto", [program, "-c", config], lambda: _listens(port))
        return f"mqtt://parking:{password}@{_LOCALHOST}:{port}"


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read; whole or not at all."""
    draft = path.with_name(path.name + ".new")
    handle: IO[bytes]
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(content)
    draft.replace(path)


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Who runs PostgreSQL where we are root, which it refuses to be; None: ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise DevstackError(
        "PostgreSQL refuses to run as root and there is no user postgres or nobody to run it."
    )


def _postgres_answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def _create_database(admin_url: str, url: str) -> None:
    with psycopg.connect(admin_url, autocommit=True) as connection:
        if not connection.execute("select 1 from pg_database where datname = 'parking'").fetchone():
            connection.execute("create database parking")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create extension if not exists postgis")


def _redis_answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((_LOCALHOST, port)) == 0
