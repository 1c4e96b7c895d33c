"""The connection that Stripe's SDK speaks over: httpx, with our time limits and the time it took."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

import anyio
import httpx
import stripe

from parking_cloud.payments.provider_time import waiting_for_provider

_TIMEOUT = httpx.Timeout(15, connect=3, pool=5)
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=30)


class Connection(stripe.HTTPClient):
    """Retries are the SDK's: it asks again, with the same key, where this raises or a status says so."""

    name = "httpx"

    def __init__(self, *, own_address: bool) -> None:
        super().__init__()
        # Where the address is given to us, no proxy lies between.
        self._client = httpx.AsyncClient(timeout=_TIMEOUT, limits=_LIMITS, trust_env=not own_address)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One attempt. Raises stripe.APIConnectionError."""
        with waiting_for_provider():
            try:
                answer = await self._client.request(method, url, headers=headers, content=post_data)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                said = f"no answer: {type(error).__name__}"
                raise stripe.APIConnectionError(said, should_retry=True) from error  # type: ignore[no-untyped-call]
        return answer.content, answer.status_code, answer.headers

    def sleep_async(self, secs: float) -> Awaitable[None]:
        return anyio.sleep(secs)

    async def close_async(self) -> None:
        await self._client.aclose()
