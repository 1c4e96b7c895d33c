"""What drivers and facilities' people are told when a booked time ends. No text has a plate in it."""

from __future__ import annotations

from parking_cloud.notices.schemas import Texts, Words


def reminder_texts(facility: str, end: str, minutes: int) -> Texts:
    return {
        "zh-CN": Words(
            title=f"预约还有 {minutes} 分钟结束",
            body=f"您在{facility}的预约 {end} 结束。请按时驶离；可在“我的预约”续约，"
            "逾时按该停车场收费标准计费。",
            short=f"您的停车预约 {end} 结束，请按时驶离或续约。",
        ),
        "en": Words(
            title=f"Your booking ends in {minutes} minutes",
            body=f"Your booking at {facility} ends at {end}. Leave in time, or extend it at “my bookings”;"
            " what is longer is priced by the facility's tariff.",
            short=f"Your parking ends at {end}. Leave in time, or extend it.",
        ),
    }


def message_texts(facility: str, end: str) -> Texts:
    return {
        "zh-CN": Words(
            title="预约已结束，请尽快驶离",
            body=f"您在{facility}的预约已于 {end} 结束，车辆仍在场内。超出时间按该停车场收费标准计费；"
            "共享泊位是单位办公用泊位，请尽快驶离。如记录有误，可在“我的预约”提出申诉。",
            short=f"您的停车预约 {end} 已结束，请尽快驶离。",
        ),
        "en": Words(
            title="Your booking is over: please leave",
            body=f"Your booking at {facility} ended at {end}, and your vehicle is still there. The time over"
            " is priced by the facility's tariff; others need the space, so please leave soon. If that is"
            " wrong, object at “my bookings”.",
            short=f"Your parking ended at {end}. Please leave soon.",
        ),
    }


def call_texts(facility: str, space: str, end: str) -> Texts:
    return {
        "zh-CN": Words(
            title="请联系逾时车辆驶离",
            body=f"{facility} {space} 号泊位的预约已于 {end} 结束，车辆仍未驶离。请到现场查看并提醒驾驶人。",
            short=f"{space} 号泊位 {end} 逾时未驶离，请到现场提醒。",
        ),
        "en": Words(
            title="A vehicle has not left: see to it",
            body=f"The booking of space {space} at {facility} ended at {end}, and the vehicle is still there."
            " Have somebody look, and ask the driver to leave.",
            short=f"Space {space} was not left at {end}. See to it.",
        ),
    }


def suspended_texts(facility: str, end: str, until: str) -> Texts:
    return {
        "zh-CN": Words(
            title=f"预约功能暂停至 {until}",
            body=f"您在{facility}的预约 {end} 结束后车辆长时间未驶离，且影响他人使用，"
            f"预约功能暂停至 {until}。"
            "到期自动恢复；如有异议请在“我的预约”申诉，由市级管理部门答复。",
            short=f"因逾时停放，您的预约功能暂停至 {until}，可在“我的预约”申诉。",
        ),
        "en": Words(
            title=f"You may not book until {until}",
            body=f"After your booking at {facility} ended at {end} your vehicle stayed long and stood in"
            f" others' way. You may not book until {until}; then you may again by itself. If that is"
            " wrong, object at “my bookings”: the city answers.",
            short=f"Because of an overstay you may not book until {until}. You can object at “my bookings”.",
        ),
    }


def clue_text(end: str) -> str:
    """For enforcement's people."""
    return f"共享泊位预约于 {end} 结束，车辆逾时未驶离，已提醒并联系现场。"


def clue_told_texts(facility: str, end: str) -> Texts:
    return {
        "zh-CN": Words(
            title="逾时停放已转交核查",
            body=f"您在{facility}的预约 {end} 结束后车辆仍未驶离，情况已转交执法部门核查。请立即驶离；"
            "如记录有误，可在“我的预约”申诉。",
            short="您的车辆逾时未驶离，已转交核查，请立即驶离。",
        ),
        "en": Words(
            title="Your overstay was passed on",
            body=f"Your vehicle has not left {facility} since your booking ended at {end}; enforcement was"
            " told and will look into it. Please leave now; if the record is wrong, object at “my bookings”.",
            short="Your vehicle has not left. Enforcement was told; please leave now.",
        ),
    }


def moved_texts(facility: str, space: str, begins: str) -> Texts:
    return {
        "zh-CN": Words(
            title=f"您的泊位改为 {space} 号",
            body=f"{facility}：您 {begins} 预约的泊位仍被前车占用，已为您改到 {space} 号，时间和价格不变。",
            short=f"您 {begins} 的停车泊位改为 {space} 号。",
        ),
        "en": Words(
            title=f"Your space is now {space}",
            body=f"{facility}: the space that you booked from {begins} is still taken. You have space {space}"
            " instead; times and price stay.",
            short=f"Your parking from {begins} is now on space {space}.",
        ),
    }


def taken_texts(facility: str, begins: str, places: str) -> Texts:
    zh = f"附近可停：{places}。" if places else ""
    en = f" Nearby there is room at {places}." if places else ""
    return {
        "zh-CN": Words(
            title="您预约的泊位仍被占用",
            body=f"{facility}：您 {begins} 预约的泊位仍被前车占用，场内没有其他空位。{zh}"
            "您可在预约页面按“被拒入场”，全额退款。",
            short=f"您 {begins} 预约的泊位仍被占用，请在预约页面办理全额退款或改停附近。",
        ),
        "en": Words(
            title="The space that you booked is still taken",
            body=f"{facility}: the space that you booked from {begins} is still taken, and there is no other."
            f"{en} Press “turned away” at your booking: all your money goes back.",
            short=f"The space you booked from {begins} is still taken. Press “turned away” at your booking.",
        ),
    }


def answered_texts(upheld: bool, answer: str) -> Texts:
    return {
        "zh-CN": Words(
            title="申诉成立，预约功能已恢复" if upheld else "申诉未成立",
            body=answer,
            short="您对逾时处理的申诉已答复，请在“我的预约”查看。",
        ),
        "en": Words(
            title="You were right: you may book again" if upheld else "Your objection was not upheld",
            body=answer,
            short="Your objection about an overstay is answered: see “my bookings”.",
        ),
    }
