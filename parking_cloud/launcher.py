"""`parking-cloud up | down | run`: the whole platform on one machine, without Docker.

A supervisor process starts the private servers, migrates, loads the demo city and keeps the platform's
processes running. `run` is the supervisor in the foreground; `up` starts one in the background.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from parking_cloud.accounts.roles import Role
from parking_cloud.demo.credentials import SCOPES
from parking_cloud.devprovider import DevProvider, ProviderKeys, make_keys
from parking_cloud.devstack import (
    DevstackError,
    Progress,
    Server,
    Stack,
    free_port,
    start_time,
    write_private,
)

_READY_S = 120.0
_STEADY_S = 30.0
DEFAULT_HOME = Path(".local")


class Platform:
    """The platform's processes over a stack: started, watched and stopped together."""

    def __init__(
        self,
        stack: Stack,
        home: Path,
        *,
        simulate: bool = True,
        lived_in: bool = True,
        api_port: int | None = None,
        progress: Progress = print,
    ) -> None:
        self.stack = stack
        self.home = home
        self._simulate = simulate
        self._lived_in = lived_in
        self._api_port = api_port
        self._progress = progress
        self._environment: dict[str, str] = {}
        self._provider: DevProvider | None = None
        self._outside_url = ""
        self._commands: dict[str, list[str]] = {}
        self._processes: dict[str, Server] = {}
        self.running: dict[str, Any] = {}
        """What `running.json` holds, once started."""

    def start(self) -> None:
        """Start everything; returns when the API and the gateway are ready. Raises DevstackError."""
        self.home.mkdir(parents=True, exist_ok=True)
        try:
            self.stack.start()
            self._prepare()
            for name in self._commands:
                if name != "simulator":
                    self.spawn(name)
            self._wait_ready("api", f"{self.running['api_url']}/health/ready")
            self._wait_ready("gateway", f"{self.running['intake_url']}/health/ready")
            if self._provider is not None:
                self._wait_ready("provider", f"{self._provider.url}/health")
            write_private(self.home / "running.json", msgspec.json.format(msgspec.json.encode(self.running)))
            if self._simulate:
                self.spawn("simulator")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the processes, then the servers that were started for them."""
        (self.home / "running.json").unlink(missing_ok=True)
        for name in reversed(list(self._commands)):
            self.process(name).stop()
        self.stack.stop()

    def process(self, name: str) -> Server:
        """A process of the platform: api, gateway, worker, outside, provider or simulator."""
        logs = self.home / "logs"
        logs.mkdir(exist_ok=True)
        return self._processes.setdefault(name, Server(name, logs))

    def spawn(self, name: str) -> None:
        """Start one process."""
        server = self.process(name)
        server.stop()
        environment = self._environment
        if name == "provider" and self._provider is not None:
            environment = environment | self._provider.environment
        server.start(self._commands[name], environment=environment)

    def kill(self, name: str) -> None:
        """kill -9."""
        server = self.process(name)
        server.stop(signal.SIGKILL)

    def revive(self) -> list[str]:
        """Start again what has died; the names."""
        dead = [name for name in self._commands if self.process(name).pid() is None]
        for name in dead:
            self.spawn(name)
        return dead

    def _prepare(self) -> None:
        credentials = self._credentials()
        api_port = self._api_port or _preferred_port(8000)
        api_url = f"http://127.0.0.1:{api_port}"
        intake_port, worker_port = free_port(), free_port()
        self._environment = os.environ | {
            "PARKING_DATABASE_URL": self.stack.database_url,
            "PARKING_REDIS_URL": self.stack.redis_url,
            "PARKING_MQTT_URL": self.stack.mqtt_url,
            "PARKING_SECRET_KEY": credentials["secret_key"],
            "PARKING_PLATE_KEY": credentials["plate_key"],
            "PARKING_INTAKE_HOST": "127.0.0.1",
            "PARKING_INTAKE_PORT": str(intake_port),
            "PARKING_SPOOL_FOLDER": str(self.home / "spool"),
            "PARKING_WORKER_METRICS_PORT": str(worker_port),
            "PARKING_DEMO": "1",
            # The local adapters of gates are on this machine.
            "PARKING_HOOKS_INSIDE": "1",
            "PARKING_SECURE_COOKIES": "0",
            "PARKING_PUBLIC_URL": os.environ.get("PARKING_PUBLIC_URL") or api_url,
        }
        self._choose_provider(api_url, credentials)
        self._choose_adapters(free_port(), credentials["carrier_key"])
        python = sys.executable
        api = ["-m", "uvicorn", "--factory", "parking_cloud.app:create_app", "--no-access-log"]
        api += ["--host", "127.0.0.1", "--port", str(api_port), "--log-level", "warning"]
        # The application itself knows which proxies to believe.
        api += ["--no-proxy-headers"]
        # Open event streams would hold a shutdown for ever.
        api += ["--timeout-graceful-shutdown", "3"]
        cli = ["-m", "parking_cloud.cli"]
        self._commands = {
            "api": [python, *api],
            "gateway": [python, "-m", "sensor_gateway"],
            "worker": [python, "-m", "parking_cloud.worker"],
            "outside": [python, "-m", "parking_cloud.demo.outside"],
        }
        if self._provider is not None:
            self._commands["provider"] = self._provider.command
        if self._simulate:
            self._commands["simulator"] = [python, *cli, "simulate", "--home", str(self.home)]
        self._progress("bringing the database to the newest tables …")
        self._run_once([python, *cli, "migrate"])
        self._progress("loading the demo city …")
        load = ["load-demo", "--credentials", str(self.home / "credentials.json")]
        self._run_once([python, *cli, *load, *([] if self._lived_in else ["--new"])])
        self.running = {
            "api_url": api_url,
            "intake_url": f"http://127.0.0.1:{intake_port}",
            "worker_metrics_url": f"http://127.0.0.1:{worker_port}/metrics",
            "mqtt_url": self.stack.mqtt_url,
            "database_url": self.stack.database_url,
            "redis_url": self.stack.redis_url,
            "api_keys": credentials["api_keys"],
            "logins": credentials["logins"],
            "signs_key": credentials["signs_key"],
            "outside_url": self._outside_url,
            "carrier_key": self._environment["PARKING_CARRIER_KEY"],
        }
        if self._provider is not None:
            self.running["provider_url"] = self._provider.url

    def _choose_provider(self, api_url: str, credentials: dict[str, Any]) -> None:
        """Where real keys are given, the local provider stays out of it."""
        if os.environ.get("PARKING_STRIPE_SECRET_KEY"):
            return
        keys = msgspec.convert(credentials["provider"], ProviderKeys)
        self._provider = DevProvider(self.home, keys, f"{api_url}/v1/pay/webhooks/stripe")
        self._environment |= {
            f"PARKING_{name.upper()}": value for name, value in self._provider.settings.items()
        }

    def _choose_adapters(self, port: int, key: str) -> None:
        """Notices and invoices go to a local process, but for those that are given an address."""
        outside = f"http://127.0.0.1:{port}"
        self._environment |= {
            "PARKING_OUTSIDE_PORT": str(port),
            "PARKING_OUTSIDE_FILE": str(self.home / "outside.sqlite"),
        }
        given = {
            "PARKING_SMS_URL": f"{outside}/sms",
            "PARKING_MAIL_URL": f"{outside}/mail",
            "PARKING_INVOICE_URL": f"{outside}/invoice",
            "PARKING_CARRIER_KEY": key,
            "PARKING_INVOICE_KEY": key,
        }
        self._environment |= {name: os.environ.get(name) or value for name, value in given.items()}
        self._outside_url = outside

    def _credentials(self) -> dict[str, Any]:
        """Made once for a home, and added to where a newer version needs more; none stands in the source."""
        path = self.home / "credentials.json"
        kept = dict(msgspec.json.decode(path.read_bytes())) if path.exists() else {}
        made: dict[str, Any] = {
            "secret_key": secrets.token_urlsafe(48),
            "plate_key": secrets.token_hex(32),
            "carrier_key": secrets.token_urlsafe(24),
            "signs_key": secrets.token_urlsafe(24),
            "provider": msgspec.to_builtins(make_keys()),
            "api_keys": {source: secrets.token_urlsafe(24) for source in SCOPES},
            "logins": [
                {"role": role.value, "username": role.value, "password": secrets.token_urlsafe(9)}
                for role in Role
            ],
        }
        made |= kept | {"api_keys": made["api_keys"] | kept.get("api_keys", {})}
        if made != kept:
            write_private(path, msgspec.json.encode(made))
        return made

    def _run_once(self, command: list[str]) -> None:
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DevstackError(f"{' '.join(command[1:])} failed:\n{done.stderr[-2000:]}")

    def _wait_ready(self, name: str, url: str) -> None:
        self._progress(f"waiting for the {name} …")
        self.process(name).wait(lambda: _answers(url))


def _preferred_port(port: int) -> int:
    """The well-known port where it is free, else any."""
    with socket.socket() as probe:
        # As uvicorn does: connections that were just closed do not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return free_port()
    return port


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _read_running(home: Path) -> dict[str, Any] | None:
    """What `running.json` says, where the supervisor that wrote it still runs."""
    try:
        running = dict(msgspec.json.decode((home / "running.json").read_bytes()))
    except (OSError, msgspec.DecodeError):
        return None
    return running if _supervisor_pid(home) else None


def _supervisor_pid(home: Path) -> int | None:
    return Server("supervisor", home).pid()


def describe(running: dict[str, Any]) -> str:
    """The addresses and logins, for people."""
    lines = [
        "",
        f"  driver page   司机页面     {running['api_url']}/",
        f"  console       管理后台     {running['api_url']}/console",
        f"  API docs      接口文档     {running['api_url']}/docs",
        f"  intake        数据接入     {running['intake_url']}/v1/observations",
        "",
        "  demo logins   演示账号",
    ]
    lines += [f"    {login['username']:22} {login['password']}" for login in running["logins"]]
    return "\n".join([*lines, ""])


def _supervise(home: Path, *, port: int | None, simulate: bool, announce: bool) -> int:
    """Start everything and keep it running until SIGTERM or Ctrl-C."""
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        if stopping:
            return
        stopping = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    record = home / "supervisor.pid"
    record.write_text(f"{os.getpid()} {start_time(os.getpid())}")
    platform = Platform(Stack(home / "servers"), home, api_port=port, simulate=simulate)
    try:
        platform.start()
        if announce:
            print(describe(platform.running), flush=True)
            print("  Ctrl-C stops everything.", flush=True)
        _watch(platform)
    except KeyboardInterrupt:
        print("stopping …", flush=True)
        return 0
    except DevstackError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1
    finally:
        platform.stop()
        record.unlink(missing_ok=True)


def _watch(platform: Platform) -> NoReturn:
    """Revive what dies, ever more slowly while it goes on dying."""
    delay, last = 1.0, time.monotonic()
    while True:
        time.sleep(delay)
        for name in platform.revive():
            now = time.monotonic()
            delay = 1.0 if now - last > _STEADY_S else min(delay * 2, 30.0)
            last = now
            log = platform.process(name).log
            print(f"{name} had ended and was started again; see {log}", flush=True)


def _home_argument(parser: argparse.ArgumentParser) -> None:
    default = Path(os.environ.get("PARKING_HOME", DEFAULT_HOME))
    parser.add_argument("--home", type=Path, default=default, help="where everything is kept (.local)")


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    _home_argument(parser)
    port = os.environ.get("PARKING_PORT")
    parser.add_argument("--port", type=int, default=int(port) if port else None)
    parser.add_argument("--no-simulator", action="store_true", help="no demo traffic")


add_up_arguments = add_run_arguments
add_down_arguments = _home_argument


def run_run(args: argparse.Namespace) -> int:
    """Foreground: everything until Ctrl-C."""
    home = _made(args.home)
    if _say_if_running(home):
        return 0
    return _supervise(home, port=args.port, simulate=not args.no_simulator, announce=True)


def run_up(args: argparse.Namespace) -> int:
    """Background: returns when it is ready."""
    home = _made(args.home)
    if _say_if_running(home):
        return 0
    command = [sys.executable, "-m", "parking_cloud.launcher", "--home", str(home)]
    command += ["--port", str(args.port)] if args.port else []
    command += ["--no-simulator"] if args.no_simulator else []
    log_path = home / "supervisor.log"
    with log_path.open("wb") as log:
        supervisor = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    shown = 0
    until = time.monotonic() + _READY_S * 3
    while time.monotonic() < until:
        shown = _show_new_lines(log_path, shown)
        running = _read_running(home)
        if running is not None:
            print(describe(running))
            return 0
        if supervisor.poll() is not None:
            _show_new_lines(log_path, shown)
            print("It did not start; the reason is above (没有启动，原因见上).", file=sys.stderr)
            return 1
        time.sleep(0.1)
    print(f"It is still not ready; see {log_path}. `make down` ends it.", file=sys.stderr)
    return 1


def run_down(args: argparse.Namespace) -> int:
    """End what `up` or `run` started here."""
    home = _made(args.home)
    supervisor = Server("supervisor", home)
    if supervisor.pid() is None:
        _stop_leftovers(home)
        print("It is not running (没有在运行).")
        return 0
    supervisor.stop()
    print("stopped (已停止).")
    return 0


def _stop_leftovers(home: Path) -> None:
    """Processes of ours whose supervisor was killed."""
    for folder in (home / "logs", home / "servers"):
        for record in folder.glob("*.pid"):
            Server(record.stem, folder).stop()
    (home / "running.json").unlink(missing_ok=True)


def _say_if_running(home: Path) -> bool:
    if _supervisor_pid(home) is None:
        _stop_leftovers(home)
        return False
    running = _read_running(home)
    print("It is already running (已经在运行)." if running else "It is already starting (正在启动).")
    if running:
        print(describe(running))
    return True


def _made(home: Path) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    return home.resolve()


def _show_new_lines(path: Path, shown: int) -> int:
    with contextlib.suppress(OSError):
        content = path.read_bytes()
        sys.stdout.write(content[shown:].decode(errors="replace"))
        sys.stdout.flush()
        return len(content)
    return shown


def main() -> None:
    """The background supervisor."""
    parser = argparse.ArgumentParser()
    add_run_arguments(parser)
    args = parser.parse_args()
    sys.exit(_supervise(args.home, port=args.port, simulate=not args.no_simulator, announce=False))


if __name__ == "__main__":
    main()
