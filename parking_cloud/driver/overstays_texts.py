"""The words of the page of a driver's overstays, in both languages."""

from __future__ import annotations

OVERSTAYS_TEXTS: dict[str, dict[str, str]] = {
    "zh-CN": {
        "title": "逾时与申诉",
        "intro": "预约结束后车辆仍在场内的记录，以及已采取的措施。如有不符，请申诉，由市级管理部门答复。",
        "none": "没有逾时记录。",
        "back": "返回我的预约",
        "ended": "预约 {at} 结束",
        "message": "{at} 已提醒您",
        "call": "{at} 已通知现场人员",
        "suspend": "{at} 起暂停预约",
        "until": "至 {at}",
        "clue": "{at} 已转执法核查",
        "objection": "您的申诉",
        "what": "哪里不对？",
        "send": "提交申诉",
        "waiting": "等待答复",
        "upheld": "申诉成立，预约功能已恢复",
        "not_upheld": "申诉未成立",
        "saved": "申诉已提交",
        "not_saved": "未能提交：请写明情况（4 至 1000 字），每条只能申诉一次",
    },
    "en": {
        "title": "Overstays and objections",
        "intro": "Where your vehicle was still there after a booking ended, and what was done. If something"
        " is wrong, object: the city answers.",
        "none": "No overstays.",
        "back": "Back to my bookings",
        "ended": "Booking ended {at}",
        "message": "{at}: you were reminded",
        "call": "{at}: the people on the spot were told",
        "suspend": "From {at} on you may not book",
        "until": "until {at}",
        "clue": "{at}: passed on to enforcement",
        "objection": "Your objection",
        "what": "What is wrong?",
        "send": "Object",
        "waiting": "Waits for an answer",
        "upheld": "You were right: you may book again",
        "not_upheld": "Not upheld",
        "saved": "Your objection is sent",
        "not_saved": "Not sent: say what is wrong (4 to 1000 characters), and once for each",
    },
}
