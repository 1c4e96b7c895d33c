"""What a driver is told when an automatic payment did not take place. No plate, no place."""

from __future__ import annotations

from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.notices.schemas import Texts, Words
from parking_cloud.payments.mandate_rules import Verdict

_WHY = {
    Verdict.ABOVE_STAY: ("超过您设定的单次限额", "it is above the ceiling that you set for a stay"),
    Verdict.ABOVE_DAY: ("超过您设定的每日限额", "it would bring the day above the ceiling that you set"),
    Verdict.UNUSUAL: ("该次停车记录有异常，需您确认", "something about the stay is out of the ordinary"),
}


def not_taken_texts(why: Verdict, owed: int) -> Texts:
    """Nothing was taken, and why."""
    amount, (chinese, english) = format_yuan(Fen(owed)), _WHY[why]
    return {
        "zh-CN": Words(
            "未自动扣款",
            f"一笔停车费 {amount} 未自动扣款：{chinese}。请登录“我的停车”核对后支付，或提出申诉。",
            f"一笔停车费 {amount} 未自动扣款：{chinese}。请登录查看。",
        ),
        "en": Words(
            "Nothing was taken",
            f"A parking charge of {amount} was not paid automatically: {english}."
            " Look at it under “My parking”, then pay it or object.",
            f"A parking charge of {amount} was not paid automatically: {english}. Sign in to see it.",
        ),
    }


def failed_texts(amount: int) -> Texts:
    """The provider did not carry it out."""
    shown = format_yuan(Fen(amount))
    return {
        "zh-CN": Words(
            "自动扣款未成功",
            f"一笔停车费 {shown} 自动扣款未成功，不会再次自动扣款。请登录“我的停车”用其他方式支付。",
            f"一笔停车费 {shown} 自动扣款未成功，请登录支付。",
        ),
        "en": Words(
            "An automatic payment failed",
            f"A parking charge of {shown} could not be taken, and is not tried again by itself."
            " Please pay it under “My parking”.",
            f"A parking charge of {shown} could not be taken; sign in to pay it.",
        ),
    }
