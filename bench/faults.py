"""`make faults`: the tests that kill -9 processes and servers, by themselves and with their output."""

from __future__ import annotations

import os
import subprocess
import sys


def main() -> None:
    """Run them; the exit code is theirs."""
    names = "killing or survive"
    command = [sys.executable, "-m", "pytest", "-v", "tests", "-k", names]
    environment = os.environ | {"PARKING_TEST_PAYMENTS": "1000"}
    sys.exit(subprocess.run(command, check=False, env=environment).returncode)


if __name__ == "__main__":
    main()
