"""`make bench`: every claim, on a platform started for it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench import freshness, guidance, ingest
from parking_cloud.devstack import Stack
from parking_cloud.launcher import Platform


def main() -> None:
    """Start the platform without the simulator, measure, stop it."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        stack = Stack(home / "servers")
        platform = Platform(stack, home, simulate=False)
        platform.start()
        try:
            print()
            for claim in (freshness, guidance, ingest):
                claim.run(platform)
                print()
        finally:
            platform.stop()
            stack.remove()


if __name__ == "__main__":
    main()
