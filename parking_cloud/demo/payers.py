"""What drivers of the demo do on their telephones: the platform's pay API, and the local provider's pages."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

_WAIT_S = 10.0


class Payers:
    """Pays as a page would: what it may not see, it does not use."""

    def __init__(self, http: httpx.Client, api_url: str, provider_url: str) -> None:
        self._http = http
        self._api_url = api_url
        self._provider_url = provider_url

    def pay_by_plate(self, plate: str, method: str) -> bool:
        """Type a plate, pay what is asked. True: nothing is owed any more."""
        offer = self._post("/v1/pay/offers", {"plate": plate})
        return offer["amount"] == 0 or self.pay(offer["token"], method)

    def pay(self, token: str, method: str) -> bool:
        """Pay an offer, at the provider, and wait until the platform has seen it."""
        answer = self._post("/v1/pay/payments", {"token": token, "method": method})
        if answer["state"] in ("created", "pending"):
            self._act(self._with_action(answer))
        return self._settled(answer["payment"])

    def _with_action(self, answer: dict[str, Any]) -> dict[str, Any]:
        """A provider that was away has opened it by and by."""
        until = time.monotonic() + _WAIT_S
        while answer["action"] is None and time.monotonic() < until:
            time.sleep(0.5)
            answer = self._look(answer["payment"])
        return answer["action"] or {"kind": "none"}

    def _act(self, action: dict[str, Any]) -> None:
        if action["kind"] == "card_form":
            secret = action["client_secret"]
            form = {
                "key": action["publishable_key"],
                "client_secret": secret,
                "payment_method_data[type]": "card",
                "payment_method_data[card][number]": "4242424242424242",
                "payment_method_data[card][exp_month]": "12",
                "payment_method_data[card][exp_year]": "40",
                "payment_method_data[card][cvc]": "123",
            }
            intent = secret.partition("_secret_")[0]
            self._http.post(f"{self._provider_url}/v1/payment_intents/{intent}/confirm", data=form)
        elif action["kind"] in ("redirect", "qr"):
            address = action["url"].partition("?")[0]
            secret = parse_qs(urlsplit(action["url"]).query)["client_secret"][0]
            self._http.post(address, data={"client_secret": secret, "outcome": "authorise"})

    def _settled(self, payment: str) -> bool:
        until = time.monotonic() + _WAIT_S
        while time.monotonic() < until:
            if self._look(payment)["state"] == "succeeded":
                return True
            time.sleep(0.3)
        return False

    def _look(self, payment: str) -> dict[str, Any]:
        answer = self._http.get(f"{self._api_url}/v1/pay/payments/{payment}")
        answer.raise_for_status()
        return dict(answer.json())

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.post(f"{self._api_url}{path}", json=body)
        answer.raise_for_status()
        return dict(answer.json())
