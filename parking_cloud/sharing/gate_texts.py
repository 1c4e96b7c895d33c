"""What drivers and facilities' people are told about gates, in both languages. No text has a plate in it."""

from __future__ import annotations

from parking_cloud.gates.allow_list_rules import PassState
from parking_cloud.notices.schemas import Texts, Words


def unconfirmed_texts(facility: str, begins: str) -> Texts:
    return {
        "zh-CN": Words(
            title="道闸尚未确认您的预约",
            body=f"{facility}的道闸尚未确认您 {begins} 的预约，可能无法自动放行。已通知现场人员；"
            "如不能入场，请在预约页面按“被拒入场”，全额退款并为您推荐附近停车场。",
            short=f"道闸尚未确认您 {begins} 的停车预约。如不能入场，请在预约页面按“被拒入场”。",
        ),
        "en": Words(
            title="The gate has not confirmed your booking yet",
            body=f"The gate of {facility} has not confirmed your booking from {begins}, and may not open by"
            " itself. The people there are told. If you are not let in, press “turned away” at your booking:"
            " your money goes back, and you are shown where else to park.",
            short=f"The gate has not confirmed your parking from {begins} yet. If it stays shut, press"
            " “turned away” at your booking.",
        ),
    }


_WHY = {
    PassState.WAITING: ("放行名单未能送达", "the allow list did not reach it"),
    PassState.TOLD: ("已送达但未应答", "it has the list and has not answered"),
    PassState.REFUSED: ("道闸系统拒绝了该条目", "it refuses the entry"),
}


def unconfirmed_staff_texts(facility: str, begins: str, state: PassState) -> Texts:
    zh, en = _WHY.get(state, _WHY[PassState.WAITING])
    return {
        "zh-CN": Words(
            title="道闸未确认预约，请人工放行",
            body=f"{facility}有 {begins} 起的预约，道闸未确认：{zh}。请检查道闸系统，并安排人工放行。",
            short=f"道闸未确认 {begins} 的预约：{zh}，请人工放行。",
        ),
        "en": Words(
            title="A gate has not confirmed a booking: let the driver in by hand",
            body=f"{facility} has a booking from {begins} that its gate has not confirmed: {en}. See to the"
            " gate, and have somebody there to open it.",
            short=f"A gate has not confirmed a booking from {begins}: {en}. Open it by hand.",
        ),
    }


def turned_away_texts(facility: str, back: str) -> Texts:
    return {
        "zh-CN": Words(
            title="退款已办理",
            body=f"很抱歉您未能进入{facility}。{back} 将原路退回，记录已计入该单位的共享服务情况。",
            short=f"很抱歉您的预约未能入场，{back} 原路退回。",
        ),
        "en": Words(
            title="Your money goes back",
            body=f"We are sorry that you were not let in at {facility}. {back} goes back the way it came; the"
            " record counts against the institution.",
            short=f"We are sorry that you were turned away. {back} goes back the way it came.",
        ),
    }


def turned_away_staff_texts(facility: str, at: str) -> Texts:
    return {
        "zh-CN": Words(
            title="有预约车辆被拒入场",
            body=f"{facility}：{at} 一辆已预约的车辆未能入场，已全额退款并计入贵单位共享服务记录。"
            "请在控制台说明情况。",
            short=f"{at} 有预约车辆被拒入场，请在控制台说明情况。",
        ),
        "en": Words(
            title="A booked vehicle was turned away",
            body=f"{facility}: at {at} a vehicle with a booking was not let in. It is paid back and stands in"
            " your record. Say at the console how it came about.",
            short=f"A booked vehicle was turned away at {at}. Say at the console how it came about.",
        ),
    }
