"""What is refused to who rates, reads or answers, each in its own words."""

from __future__ import annotations

from parking_cloud.kernel.problems import InvalidInput, NotFound, Problem


class StayNotFound(NotFound):
    slug = "stay-not-found"
    title = {"zh-CN": "没有这次停车记录", "en": "There is no such stay"}
    detail = {
        "zh-CN": "只能评价已认证车辆在您名下期间的停车。",
        "en": "You can rate stays of your verified vehicles, from when they are yours.",
    }


class StayNotOver(Problem):
    slug = "stay-not-over"
    status = 409
    title = {"zh-CN": "停车尚未结束", "en": "The stay is not over"}
    detail = {"zh-CN": "离场后即可评价。", "en": "It can be rated once the vehicle has left."}


class StayInReview(Problem):
    slug = "stay-in-review"
    status = 409
    title = {"zh-CN": "这次停车记录正在核查", "en": "This stay is being looked at"}
    detail = {"zh-CN": "核查完成后即可评价。", "en": "It can be rated once that is done."}


class StayNotReal(Problem):
    slug = "stay-void"
    status = 409
    title = {"zh-CN": "这次停车没有可核实的记录", "en": "Nothing proves this stay"}
    detail = {
        "zh-CN": "记录已作废，或只有您本人的说明：没有道闸、泊位检测、管理员或缴费记录，不能评价。",
        "en": "It was taken back, or there is nothing but your own word of it: no gate, no sensor,"
        " no attendant, no payment. Such a stay cannot be rated.",
    }


class RatingTooLate(Problem):
    slug = "rating-too-late"
    status = 409
    title = {"zh-CN": "评价时间已过", "en": "It is too late to rate this stay"}
    detail = {
        "zh-CN": "离场后 {days} 天内可以评价，这次已于 {until} 截止。",
        "en": "A stay can be rated for {days} days after its end; for this one that was until {until}.",
    }


class RatedAlready(Problem):
    slug = "rated-already"
    status = 409
    title = {"zh-CN": "您已评价过这次停车", "en": "You have rated this stay already"}
    detail = {"zh-CN": "每次停车只能评价一次。", "en": "Each stay is rated once."}


class NothingRated(InvalidInput):
    slug = "nothing-rated"
    title = {"zh-CN": "请至少评一项", "en": "Rate at least one thing"}


class RatingNotFound(NotFound):
    slug = "rating-not-found"
    title = {"zh-CN": "没有这条评价", "en": "There is no such rating"}


class NoMoreChanges(Problem):
    slug = "rating-final"
    status = 409
    title = {"zh-CN": "评价不能再修改", "en": "This rating cannot be changed any more"}
    detail = {
        "zh-CN": "评价在期限内、经营者回复前可修改一次。",
        "en": "A rating may be changed once, in its time, before the operator has answered.",
    }


class AnswerFinal(Problem):
    slug = "answer-final"
    status = 409
    title = {"zh-CN": "回复不能再修改", "en": "This answer cannot be changed any more"}
    detail = {"zh-CN": "回复后一天内可以修改。", "en": "An answer may be changed for a day."}


class NothingToAnswer(Problem):
    slug = "nothing-to-answer"
    status = 409
    title = {"zh-CN": "这条评价没有可回复的内容", "en": "There is nothing to answer"}
    detail = {
        "zh-CN": "只能回复已公开的文字。",
        "en": "Only a text that everybody can read is answered.",
    }


class ReasonMissing(InvalidInput):
    slug = "reason-missing"
    title = {"zh-CN": "请说明理由", "en": "Say why"}


class TextTellsOfPeople(InvalidInput):
    slug = "text-tells-of-people"
    title = {
        "zh-CN": "文字中有个人信息、链接或不当用语",
        "en": "It has personal data, a link or an insult",
    }


class AlreadyReported(Problem):
    slug = "already-reported"
    status = 409
    title = {"zh-CN": "该评价已被举报或核实", "en": "This text was reported or checked already"}
    detail = {"zh-CN": "请等待处理结果。", "en": "It is looked at by the city."}
