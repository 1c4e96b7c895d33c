"""The command line: `parking-cloud COMMAND`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from parking_cloud import launcher
from parking_cloud.demo import load, replay, simulate
from parking_cloud.demo.running import NotRunning, read_running
from parking_cloud.kernel.settings import SettingsError, load_settings
from parking_cloud.migrate import migrate
from parking_cloud.occupancy import backfill
from sensor_gateway import dead_letters_command, decode_command
from sensor_gateway.settings import load_settings as load_gateway_settings


def _run_migrate(_: argparse.Namespace) -> int:
    migrate(load_settings().database_url)
    return 0


def _add_dead_letters(parser: argparse.ArgumentParser) -> None:
    dead_letters_command.add_arguments(parser)
    parser.add_argument("--home", type=Path, default=launcher.DEFAULT_HOME, help="where `up` was started")


def _run_dead_letters(args: argparse.Namespace) -> int:
    """On the Redis of the environment, else on that of the platform that `up` started."""
    environ = dict(os.environ)
    if "PARKING_REDIS_URL" not in environ:
        environ["PARKING_REDIS_URL"] = read_running(args.home).redis_url
    return dead_letters_command.run(args, load_gateway_settings(environ))


def build_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    parser = argparse.ArgumentParser(prog="parking-cloud", description="湖州智慧停车云平台")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    table = [
        ("up", "start everything in the background", launcher.add_up_arguments, launcher.run_up),
        ("down", "stop what `up` started", launcher.add_down_arguments, launcher.run_down),
        ("run", "start everything and stay until Ctrl-C", launcher.add_run_arguments, launcher.run_run),
        ("decode", "decode one sensor payload", decode_command.add_arguments, decode_command.run),
        ("dead-letters", "what could not be read, and why", _add_dead_letters, _run_dead_letters),
        ("simulate", "drive the demo city", simulate.add_arguments, simulate.run),
        ("replay", "send a recorded file through the intake", replay.add_arguments, replay.run),
        ("load-demo", "load the demo city and its logins", load.add_arguments, load.run),
        (
            "backfill-series",
            "the series of counted facilities from the history",
            backfill.add_arguments,
            backfill.run,
        ),
        ("migrate", "bring the database to the newest tables", lambda _: None, _run_migrate),
    ]
    for name, summary, add_arguments, run in table:
        command = commands.add_parser(name, help=summary, description=summary)
        add_arguments(command)
        command.set_defaults(run=run)
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
