"""Why a place is where it is in the list: a code with its number, and the same in a few words.

The lines are few and recur in every answer, so each is put into JSON once.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from parking_cloud.guidance.schemas import Why

_WORDS = {
    "walk_m": ("步行约 {0} 米", "{0} m on foot"),
    "nearest": ("其中步行最近", "the shortest walk of these"),
    "free_now": ("现在空 {0} 个", "{0} free now"),
    "full_now": ("现在已满", "full now"),
    "not_known": ("现在的空位数未知", "nobody knows what is free now"),
    "stale": ("空位数已 {0} 分钟未更新", "its number is {0} minutes old"),
    "chance": ("到达时 20 次中有 {0} 次有空位", "{0} of 20 times a space is free on arrival"),
    "usual": ("照往常，20 次中有 {0} 次有空位", "going by other days, {0} of 20 times a space is free"),
    "sent": ("另有约 {0} 位司机正在前往", "others on their way there: about {0}"),
    "of_all_charger": (
        "空位数为全部车位；其中 {0} 个带充电桩，是否空闲未知",
        "of all spaces; {0} have chargers, their state is not known",
    ),
    "of_all_accessible": (
        "空位数为全部车位；其中 {0} 个无障碍车位，是否空闲未知",
        "of all spaces; {0} are accessible, their state is not known",
    ),
    "of_all_large": (
        "空位数为全部车位；其中 {0} 个大型车位，是否空闲未知",
        "of all spaces; {0} are for large vehicles, their state is not known",
    ),
    "clearance_unknown": ("限高未登记", "clearance not registered"),
    "cheapest": ("其中最便宜", "the cheapest of these"),
    "no_charge": ("本次停车免费", "no charge for this stay"),
    "price_unknown": ("价格未知", "its price is not known"),
    "booking": ("凭预约停放", "with a booking"),
    "booked_out": ("仅限预约，已约满", "only with a booking, and all is booked"),
    "closed": ("到达时不开放", "closed when you arrive"),
    "closes_first": ("您离开前关闭", "closes before you leave"),
}


@lru_cache(maxsize=20_000)
def why(code: str, value: int | None = None) -> bytes:
    """One line, as JSON."""
    zh, en = _WORDS[code]
    said = Why(code, value, zh.format(value), en.format(value))
    return msgspec.json.encode(said)


def in_twenty(chance: float) -> int:
    """A chance as so many times of 20; all or none only where it is as good as sure."""
    return min(max(round(chance * 20), 0 if chance < 0.005 else 1), 20 if chance > 0.995 else 19)
