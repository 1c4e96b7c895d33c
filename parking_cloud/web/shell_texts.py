"""What stands around every page for drivers: its head, and the way to the other pages."""

from __future__ import annotations

SHELL_TEXTS: dict[str, dict[str, str]] = {
    "zh-CN": {
        "name": "湖州停车",
        "about": "找空位、预约、缴费。湖州市停车服务。",
        "pages": "页面",
        "find": "找车位",
        "bookings": "我的预约",
        "pay": "停车缴费",
        "me": "我的",
        "other_language": "English",
        "skip": "跳到正文",
        "offline_title": "没有网络",
        "offline_hint": "这个页面需要网络。您可以先看上次的查找结果，联网后再试。",
        "offline_find": "看上次的查找结果",
        "retry": "重试",
    },
    "en": {
        "name": "Huzhou Parking",
        "about": "Find a space, book it, pay for it. Parking in the city of Huzhou.",
        "pages": "Pages",
        "find": "Find",
        "bookings": "Bookings",
        "pay": "Pay",
        "me": "Mine",
        "other_language": "中文",
        "skip": "Skip to the content",
        "offline_title": "No connection",
        "offline_hint": "This page needs the network. You can look at your last search, and try again later.",
        "offline_find": "See the last search",
        "retry": "Try again",
    },
}
