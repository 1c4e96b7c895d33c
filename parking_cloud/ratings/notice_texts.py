"""What the author of a rating is told. No place is named: notices lie on screens."""

from __future__ import annotations

from parking_cloud.notices.schemas import Texts, Words


def hidden(reason: str) -> Texts:
    """The words were hidden; the marks count."""
    return {
        "zh-CN": Words(
            "您的评价文字未公开",
            f"您写的评价文字未公开，原因：{reason}。您打的分仍然计入。",
            "您的评价文字未公开，打分仍计入。请登录“我的停车”查看原因。",
        ),
        "en": Words(
            "What you wrote is not shown",
            f"The text of your rating is not shown: {reason}. Your marks count as before.",
            "The text of your rating is not shown; your marks count. Sign in under “My parking” to see why.",
        ),
    }


def answered() -> Texts:
    """The operator has answered."""
    return {
        "zh-CN": Words(
            "经营者回复了您的评价",
            "经营者回复了您的评价，请在“我的停车—我的评价”中查看。",
            "经营者回复了您的评价，请登录“我的停车”查看。",
        ),
        "en": Words(
            "Your rating was answered",
            "The operator has answered your rating: see it under “My parking”, “My ratings”.",
            "The operator has answered your rating. Sign in under “My parking” to see it.",
        ),
    }
