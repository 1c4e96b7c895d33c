"""Codecs by vendor, model and firmware line. A new vendor is one new file here that holds `CODECS`."""

from __future__ import annotations

import importlib
import pkgutil

from sensor_gateway.codecs.base import CannotEncode, Codec, DecodeError, Reading

__all__ = ["CannotEncode", "Codec", "DecodeError", "Reading", "UnknownModel", "all_codecs", "codec_for"]


class UnknownModel(LookupError):
    """There is no codec for this vendor, model and firmware line."""


def _load() -> dict[tuple[str, str, str], Codec]:
    found: dict[tuple[str, str, str], Codec] = {}
    for module in pkgutil.iter_modules(__path__):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        for codec in getattr(loaded, "CODECS", ()):
            found[codec.vendor, codec.model, codec.firmware_line] = codec
    return found


_CODECS = _load()


def all_codecs() -> list[Codec]:
    """Every codec, by vendor, model and firmware line."""
    return [_CODECS[key] for key in sorted(_CODECS)]


def codec_for(vendor: str, model: str, firmware_line: str = "") -> Codec:
    """The codec of a device's profile; never guessed from bytes. Raises UnknownModel."""
    try:
        return _CODECS[vendor.lower(), model.lower(), firmware_line.lower()]
    except KeyError:
        known = ", ".join(codec.name for codec in all_codecs())
        line = f" (firmware line {firmware_line})" if firmware_line else ""
        raise UnknownModel(f"no codec for {vendor} {model}{line}; known: {known}") from None
