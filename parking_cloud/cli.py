"""The command line: `parking-cloud COMMAND`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from parking_cloud.demo.running import NotRunning, read_running
from parking_cloud.kernel.settings import SettingsError, load_settings
from sensor_gateway.settings import load_settings as load_gateway_settings

Run = Callable[[argparse.Namespace], int]
Learn = Callable[[argparse.ArgumentParser], Run]
"""Adds a command's options, and says what it does."""

# Each command imports what it needs when it is asked for: together they take seconds.


def _up(parser: argparse.ArgumentParser) -> Run:
    from parking_cloud import launcher

    launcher.add_up_arguments(parser)
    return launcher.run_up


def _down(parser: argparse.ArgumentParser) -> Run:
    from parking_cloud import launcher

    launcher.add_down_arguments(parser)
    return launcher.run_down


def _run(parser: argparse.ArgumentParser) -> Run:
    from parking_cloud import launcher

    launcher.add_run_arguments(parser)
    return launcher.run_run


def _decode(parser: argparse.ArgumentParser) -> Run:
    from sensor_gateway import decode_command

    decode_command.add_arguments(parser)
    return decode_command.run


def _dead_letters(parser: argparse.ArgumentParser) -> Run:
    """On the Redis of the environment, else on that of the platform that `up` started."""
    from parking_cloud import launcher
    from sensor_gateway import dead_letters_command

    def run(args: argparse.Namespace) -> int:
        environ = dict(os.environ)
        if "PARKING_REDIS_URL" not in environ:
            environ["PARKING_REDIS_URL"] = read_running(args.home).redis_url
        return dead_letters_command.run(args, load_gateway_settings(environ))

    dead_letters_command.add_arguments(parser)
    parser.add_argument("--home", type=Path, default=launcher.DEFAULT_HOME, help="where `up` was started")
    return run


def _simulate(parser: argparse.ArgumentParser) -> Run:
    from parking_cloud.demo import simulate

    simulate.add_arguments(parser)
    return simulate.run


def _replay(parser: argparse.ArgumentParser) -> Run:
    from parking_cloud.demo import replay

    replay.add_arguments(parser)
    return replay.run


def _load_demo(parser: argparse.ArgumentParser) -> Run:
    from parking_cloud.demo import load

    load.add_arguments(parser)
    return load.run


def _backfill_series(parser: argparse.ArgumentParser) -> Run:
    from parking_cloud.occupancy import backfill

    backfill.add_arguments(parser)
    return backfill.run


def _migrate(_: argparse.ArgumentParser) -> Run:
    from parking_cloud.migrate import migrate

    def run(_: argparse.Namespace) -> int:
        migrate(load_settings().database_url)
        return 0

    return run


COMMANDS: dict[str, tuple[str, Learn]] = {
    "up": ("start everything in the background", _up),
    "down": ("stop what `up` started", _down),
    "run": ("start everything and stay until Ctrl-C", _run),
    "decode": ("decode one sensor payload", _decode),
    "dead-letters": ("what could not be read, and why", _dead_letters),
    "simulate": ("drive the demo city", _simulate),
    "replay": ("send a recorded file through the intake", _replay),
    "load-demo": ("load the demo city and its logins", _load_demo),
    "backfill-series": ("the series of counted facilities from the history", _backfill_series),
    "migrate": ("bring the database to the newest tables", _migrate),
}


class _Command(argparse.ArgumentParser):
    """Learns its options when its name was read."""

    learn: Learn

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self.set_defaults(run=self.learn(self))
        return super().parse_known_args(args, namespace)


def build_parser() -> argparse.ArgumentParser:
    """All commands with what each is for."""
    parser = argparse.ArgumentParser(prog="parking-cloud", description="湖州智慧停车云平台")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Command)
    for name, (summary, learn) in COMMANDS.items():
        commands.add_parser(name, help=summary, description=summary).learn = learn
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point; exits with the command's code."""
    arguments = build_parser().parse_args(argv)
    try:
        code = arguments.run(arguments)
    except (SettingsError, NotRunning) as error:
        print(f"parking-cloud: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
