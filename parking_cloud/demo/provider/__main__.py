"""`python -m parking_cloud.demo.provider`: the server, on 127.0.0.1 and nowhere else."""

from __future__ import annotations

import uvicorn

from parking_cloud.demo.provider.server import LocalProvider
from parking_cloud.demo.provider.settings import load_provider_settings


def main() -> None:
    settings = load_provider_settings()
    uvicorn.run(
        LocalProvider(settings),
        host="127.0.0.1",
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
