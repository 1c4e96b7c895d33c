"""What the slice refuses, in words."""

from __future__ import annotations

from parking_cloud.kernel.problems import InvalidInput, NotFound, Problem


class NotShared(NotFound):
    slug = "not-shared"
    title = {"zh-CN": "该停车场没有共享泊位", "en": "This facility shares no spaces"}


class BookingNotFound(NotFound):
    slug = "booking-not-found"
    title = {"zh-CN": "没有这个预约", "en": "There is no such booking"}


class NotOpenThen(Problem):
    slug = "not-open-then"
    status = 409
    title = {"zh-CN": "该时段不开放", "en": "It is not open then"}
    detail = {
        "zh-CN": "请选择开放时段内的时间；开放时段见该停车场页面。",
        "en": "Choose a time within those in which it is open.",
    }


class DaysUnknown(Problem):
    slug = "days-unknown"
    status = 409
    title = {
        "zh-CN": "{first} 起的节假日安排尚未公布",
        "en": "The holidays from {first} on are not known yet",
    }
    detail = {
        "zh-CN": "国务院公布放假安排后才能预约这些日子。",
        "en": "Those days can be booked once the year's notice is out.",
    }


class NotOffered(Problem):
    slug = "not-offered"
    status = 409
    title = {"zh-CN": "该停车场不提供这种预约", "en": "This kind of booking is not offered here"}
    detail = {"zh-CN": "请选择其他预约方式。", "en": "Choose another kind."}


class NoSpaceLeft(Problem):
    slug = "no-space-left"
    status = 409
    title = {"zh-CN": "该时段已约满", "en": "No space is left for that time"}
    detail = {"zh-CN": "请换一个时段或附近的停车场。", "en": "Choose another time, or a place nearby."}


class NotFreeNext(Problem):
    slug = "not-free-next"
    status = 409
    title = {"zh-CN": "无法续约到该时间", "en": "It cannot be extended so far"}
    detail = {
        "zh-CN": "该泊位随后已被他人预约，或不再开放。",
        "en": "The space is booked by somebody else next, or is not open any more.",
    }


class BookedAlready(Problem):
    slug = "booked-already"
    status = 409
    title = {"zh-CN": "这辆车已有该时段的预约", "en": "This vehicle is booked there for that time already"}
    detail = {"zh-CN": "请查看“我的预约”。", "en": "See your bookings."}


class TooManyBookings(Problem):
    slug = "too-many-bookings"
    status = 409
    title = {"zh-CN": "预约数已达上限（{most} 个）", "en": "You have {most} bookings, as many as one may"}
    detail = {"zh-CN": "请先取消不再需要的预约。", "en": "Cancel one that you no longer need."}


class TooManyUnpaid(Problem):
    slug = "too-many-unpaid"
    status = 409
    title = {
        "zh-CN": "24 小时内有 {most} 个预约未付款",
        "en": "{most} bookings were not paid within 24 hours",
    }
    detail = {
        "zh-CN": "为避免占用他人泊位，请稍后再预约。",
        "en": "So that nobody keeps spaces from others, book again later.",
    }


class MayNotBook(Problem):
    slug = "may-not-book"
    status = 403
    title = {"zh-CN": "您的预约功能已暂停至 {until}", "en": "You may not book until {until}"}
    detail = {
        "zh-CN": "因超时停放被暂停；如有异议请在“我的预约”中申诉。",
        "en": "Because of overstays. If that is wrong, object at your bookings.",
    }


class NoLonger(Problem):
    slug = "booking-no-longer"
    status = 409
    title = {"zh-CN": "这个预约已不能更改", "en": "This booking can no longer be changed"}
    detail = {"zh-CN": "它已结束、取消或开始。", "en": "It is over, cancelled, or has begun."}


class NothingToPay(Problem):
    slug = "nothing-to-pay"
    status = 409
    title = {"zh-CN": "这个预约不需要付款", "en": "There is nothing to pay for this booking"}
    detail = {"zh-CN": "它已付款、免费或已失效。", "en": "It is paid, free or over."}


class BookingsConcerned(Problem):
    slug = "bookings-concerned"
    status = 409
    title = {"zh-CN": "该时段已有 {count} 个预约", "en": "{count} bookings lie within that time"}
    detail = {
        "zh-CN": "已有预约的时段只能用“临时关闭”取消，并通知所有预约人。",
        "en": "Where people have booked, close it in an emergency instead: they are told and paid back.",
    }


class TooDear(Problem):
    slug = "too-dear"
    status = 409
    title = {
        "zh-CN": "价格高于周边政府定价停车场",
        "en": "Dearer than the facilities with government prices nearby",
    }
    detail = {
        "zh-CN": "请按所列对比调低价格。",
        "en": "Lower the price: see the comparison.",
    }


class WrongTime(InvalidInput):
    slug = "wrong-time"
    title = {"zh-CN": "时间不对", "en": "The times do not fit"}
