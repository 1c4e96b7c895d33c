"""What drivers are told of their bookings, in both languages. No text has a plate in it."""

from __future__ import annotations

from parking_cloud.notices.schemas import Texts, Words
from parking_cloud.sharing.schemas import BookingKind

SALE_LINES: dict[BookingKind, dict[str, str]] = {
    BookingKind.HOUR: {
        "zh-CN": "共享泊位预约：{start} 至 {end}",
        "en": "shared space booked: {start} to {end}",
    },
    BookingKind.EVENING: {
        "zh-CN": "共享泊位整段预约：{start} 至 {end}",
        "en": "shared space booked for a whole window: {start} to {end}",
    },
    BookingKind.MONTH: {
        "zh-CN": "共享泊位包月：{start} 至 {end} 的开放时段",
        "en": "shared space for a month: when open from {start} to {end}",
    },
}


def confirmed_texts(facility: str, space: str, start: str, end: str) -> Texts:
    return {
        "zh-CN": Words(
            title="预约成功",
            body=f"{facility} {space} 号泊位，{start} 至 {end}。时段内可多次进出；"
            "超出部分按该停车场收费标准计费。",
            short=f"您的停车预约已成功，{start} 起。",
        ),
        "en": Words(
            title="Booked",
            body=f"{facility}, space {space}, {start} to {end}. Come and go as often as you like within it;"
            " what lies outside is priced by the facility's tariff.",
            short=f"Your parking is booked from {start}.",
        ),
    }


def closed_texts(facility: str, start: str, end: str, reason: str, back: str) -> Texts:
    return {
        "zh-CN": Words(
            title="停车场临时关闭，预约已取消",
            body=f"{facility} {start} 至 {end} 临时关闭（{reason}）。您的预约已取消，{back} 将原路退回。",
            short=f"您 {start} 起的停车预约因临时关闭已取消，{back} 原路退回。",
        ),
        "en": Words(
            title="Closed in an emergency: your booking is cancelled",
            body=f"{facility} is closed from {start} to {end} ({reason}). Your booking is cancelled; {back}"
            " goes back the way it came.",
            short=f"Your parking booked from {start} is cancelled: closed. {back} goes back.",
        ),
    }


def partly_closed_texts(facility: str, start: str, end: str, reason: str, back: str) -> Texts:
    return {
        "zh-CN": Words(
            title="停车场临时关闭，包月部分时段取消",
            body=f"{facility} {start} 至 {end} 临时关闭（{reason}）。您的包月其余时段不变，"
            f"关闭时段的 {back} 将原路退回。",
            short=f"您的包月停车 {start} 至 {end} 临时关闭，{back} 原路退回。",
        ),
        "en": Words(
            title="Closed in an emergency: a part of your month is cancelled",
            body=f"{facility} is closed from {start} to {end} ({reason}). The rest of your month stays;"
            f" {back} for the closed times goes back the way it came.",
            short=f"Your monthly parking is closed {start} to {end}; {back} goes back.",
        ),
    }


def late_texts(facility: str, start: str, back: str) -> Texts:
    return {
        "zh-CN": Words(
            title="付款过晚，预约未成功",
            body=f"{facility} {start} 起的泊位在付款到账前已保留期满并被他人预约，{back} 将原路退回。",
            short=f"您 {start} 起的停车预约未成功，{back} 原路退回。",
        ),
        "en": Words(
            title="Paid too late: not booked",
            body=f"The space at {facility} from {start} was given to somebody else before your payment came;"
            f" {back} goes back the way it came.",
            short=f"Your parking from {start} is not booked: paid too late. {back} goes back.",
        ),
    }
