"""`make bench`: every claim, on a platform started for it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench import freshness, guidance, herding, ingest, outlook, payments, tariffs
from parking_cloud.devstack import Stack
from parking_cloud.launcher import Platform

CLAIMS = {
    "freshness": freshness.run,
    "guidance": guidance.run,
    "herding": herding.run,
    "ingest": ingest.run,
    "outlook": outlook.run,
    "tariffs": tariffs.run,
    "payments": payments.run,
}


def main() -> None:
    """Start the platform without the simulator, measure all or the claims named, stop it."""
    claims = sys.argv[1:] or list(CLAIMS)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        stack = Stack(home / "servers")
        platform = Platform(stack, home, simulate=False)
        platform.start()
        try:
            print()
            for claim in claims:
                CLAIMS[claim](platform)
                print()
        finally:
            platform.stop()
            stack.remove()


if __name__ == "__main__":
    main()
