"""The kinds of facility in words, for every page."""

from __future__ import annotations

KIND_NAMES: dict[str, dict[str, str]] = {
    "zh-CN": {
        "public_offstreet": "公共停车场",
        "on_street": "路内泊位",
        "ancillary": "配建停车场",
        "institution": "机关事业单位",
        "state_enterprise": "国有企业",
        "park_and_ride": "换乘停车场",
    },
    "en": {
        "public_offstreet": "Public car park",
        "on_street": "On-street",
        "ancillary": "Building car park",
        "institution": "Public institution",
        "state_enterprise": "State enterprise",
        "park_and_ride": "Park and ride",
    },
}
