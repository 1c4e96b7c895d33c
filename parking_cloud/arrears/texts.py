"""What drivers are told of an unpaid charge. No plate and place together; an SMS has neither."""

from __future__ import annotations

from parking_cloud.arrears.rules import Policy, PolicyStatus, Stage
from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.notices.schemas import Texts, Words

_ONLY_INFORMS = {
    "zh-CN": "（本提示仅供告知，不影响您的停车服务。）",
    "en": " (This only informs you; nothing follows from it.)",
}
_HOW = {
    "zh-CN": "请登录“我的停车”或扫描停车场二维码输入车牌缴费；如有异议，可在同一页面申诉，申诉期间停止计时。",
    "en": " Pay under “My parking”, or by any car park's code and your plate. If you think it is wrong,"
    " object on the same page: the clock stands still until you are answered.",
}


def _texts(chinese_title: str, chinese: str, english_title: str, english: str, policy: Policy) -> Texts:
    informs = policy.status is PolicyStatus.UNCONFIRMED
    return {
        "zh-CN": Words(
            chinese_title,
            chinese + _HOW["zh-CN"] + (_ONLY_INFORMS["zh-CN"] if informs else ""),
            f"{chinese}请登录“我的停车”查看或申诉。",
        ),
        "en": Words(
            english_title,
            english + _HOW["en"] + (_ONLY_INFORMS["en"] if informs else ""),
            f"{english} Sign in under “My parking” to see it, or to object.",
        ),
    }


def stage_texts(stage: Stage, owed: int, policy: Policy) -> Texts:
    """The notice of a stage that has begun."""
    amount = format_yuan(Fen(owed))
    if stage is Stage.PAYMENT_PERIOD:
        return _texts(
            "停车费待缴",
            f"您有一笔停车费 {amount} 待缴，请在 {policy.make_up_from_day} 天内缴清。",
            "A parking charge is due",
            f"A parking charge of {amount} is due; please pay it within {policy.make_up_from_day} days.",
            policy,
        )
    if stage is Stage.OVERDUE:
        return _texts(
            "停车费已逾期",
            f"您的一笔停车费 {amount} 经两次提醒仍未缴清，已逾期。",
            "A parking charge is overdue",
            f"A parking charge of {amount} is still unpaid after being reminded of, and now overdue.",
            policy,
        )
    return reminder_texts(stage, owed, policy)


def reminder_texts(stage: Stage, owed: int, policy: Policy) -> Texts:
    """A reminder, by the stage that it falls into."""
    amount = format_yuan(Fen(owed))
    if stage is Stage.MAKE_UP:
        return _texts(
            "补缴提醒",
            f"您的一笔停车费 {amount} 已过缴费期，请尽快补缴。",
            "Reminder of a parking charge",
            f"A parking charge of {amount} is past its payment period; please pay it now.",
            policy,
        )
    return _texts(
        "即将逾期提醒",
        f"您的一笔停车费 {amount} 即将逾期，请尽快补缴。",
        "A parking charge is about to be overdue",
        f"A parking charge of {amount} is about to be overdue; please pay it now.",
        policy,
    )


OBJECTION_UPHELD: Texts = {
    "zh-CN": Words(
        "申诉成立",
        "您对停车账单的申诉成立，账单已更正或撤销；多收的款项将原路退回。",
        "您的停车账单申诉成立，多收款项将原路退回。",
    ),
    "en": Words(
        "Your objection is upheld",
        "The charge was corrected or taken back; what you paid too much goes back the way it came.",
        "Your objection to a parking charge is upheld; what you paid too much is refunded.",
    ),
}


def objection_rejected(reason: str) -> Texts:
    """The answer, with its reason; an SMS leaves the reason to the page."""
    return {
        "zh-CN": Words(
            "申诉未成立",
            f"您对停车账单的申诉未成立，理由：{reason} 计时自今日起继续；您可再次申诉，由主管部门答复。",
            "您的停车账单申诉未成立，理由请登录查看。",
        ),
        "en": Words(
            "Your objection is not upheld",
            f"The reason: {reason} The clock goes on from today. You can object once more; then the city"
            " answers.",
            "Your objection to a parking charge is not upheld; sign in to see why.",
        ),
    }
