"""The providers that this installation has keys for. A second one is a module and a line here."""

from __future__ import annotations

from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.provider import Provider
from parking_cloud.payments.stripe_provider import StripeProvider


def make_providers(settings: Settings) -> dict[str, Provider]:
    """By name. Empty: nothing can be paid but cash."""
    providers: list[Provider] = []
    if settings.stripe_secret_key:
        providers.append(StripeProvider(settings))
    return {provider.name: provider for provider in providers}
