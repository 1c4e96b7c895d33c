"""The provider's script runs on the pages where a card is typed, and on no other."""

from __future__ import annotations

import msgspec
import pytest

from parking_cloud.kernel.settings import Settings
from parking_cloud.web.assets import page_headers, pay_page_headers

SETTINGS = Settings(database_url="", redis_url="", secret_key="", stripe_secret_key="sk_test_x")
LOCAL = msgspec.structs.replace(
    SETTINGS, stripe_api_url="http://127.0.0.1:9000", stripe_script_url="http://127.0.0.1:9000/v3/"
)


def directives(headers: dict[str, str]) -> dict[str, list[str]]:
    parts = (part.split() for part in headers["Content-Security-Policy"].split(";"))
    return {name: values for name, *values in parts}


@pytest.mark.parametrize("settings", [SETTINGS, LOCAL])
def test_other_pages_run_only_our_own_scripts(settings: Settings) -> None:
    policy = directives(page_headers(settings))
    assert policy["default-src"] == ["'self'"]
    assert not {"script-src", "frame-src", "connect-src"} & policy.keys()


def test_where_a_card_is_typed_stripe_may_run() -> None:
    policy = directives(pay_page_headers(SETTINGS))
    assert policy["script-src"] == ["'self'", "https://js.stripe.com"]
    assert policy["frame-src"] == ["https://js.stripe.com", "https://hooks.stripe.com"]
    assert policy["connect-src"] == ["'self'", "https://api.stripe.com"]
    assert policy["frame-ancestors"] == ["'none'"]


def test_in_the_demo_only_the_local_provider_may() -> None:
    policy = directives(pay_page_headers(LOCAL))
    assert policy["script-src"] == ["'self'", "http://127.0.0.1:9000"]
    assert not any("stripe.com" in value for values in policy.values() for value in values)


def test_without_a_provider_nobody_may() -> None:
    none = msgspec.structs.replace(SETTINGS, stripe_secret_key="")
    assert pay_page_headers(none) == page_headers(none)
