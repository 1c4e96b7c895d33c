"""The stays' refusals."""

from __future__ import annotations

from parking_cloud.kernel.problems import InvalidInput, NotAllowed, NotFound, Problem


class StayNotFound(NotFound):
    slug = "stay-not-found"
    title = {"zh-CN": "没有这条停车记录", "en": "There is no such stay"}


class DecisionNotFound(NotFound):
    slug = "decision-not-found"
    title = {"zh-CN": "没有待复核的处理决定", "en": "There is no decision that waits for a second person"}


class ReadingNotFound(NotFound):
    slug = "second-reading-not-found"
    title = {"zh-CN": "没有这项车牌复核", "en": "There is no such second reading"}


class ProofNeeded(InvalidInput):
    slug = "proof-needed"
    title = {"zh-CN": "须提交证据", "en": "Proof is needed"}
    detail = {
        "zh-CN": "确认或更正停车记录须附证据，举证责任在经营者；无证据只能作废。",
        "en": "To confirm or correct a stay give evidence: the operator carries the proof. Else void it.",
    }


class OtherPersonNeeded(Problem):
    slug = "other-person-needed"
    status = 409
    title = {"zh-CN": "须由另一人复核", "en": "Another person has to agree"}
    detail = {
        "zh-CN": "作出决定的人不能复核自己的决定。",
        "en": "Who made a decision cannot be the second person to it.",
    }


class StaysOverlap(Problem):
    slug = "stays-overlap"
    status = 409
    title = {"zh-CN": "与其他记录矛盾", "en": "Other records contradict that"}
    detail = {
        "zh-CN": "同一车辆的另一条停车记录与该时段重叠，或刚收到不同的记录。请先处理或刷新后再试。",
        "en": "Another stay of the vehicle covers that time, or records have just come. Look again first.",
    }


class AlreadyAnswered(Problem):
    slug = "second-reading-answered"
    status = 409
    title = {"zh-CN": "该车牌已复核", "en": "This plate was read again already"}
    detail = {
        "zh-CN": "如仍有误，请由停车场发送更正。",
        "en": "Where it is still wrong, let the lot correct its record.",
    }


class NotYourVehicle(NotAllowed):
    slug = "not-your-vehicle"
    title = {"zh-CN": "该车辆未认证在您名下", "en": "This vehicle is not verified as yours"}
    detail = {
        "zh-CN": "请先添加车辆并通过行驶证认证；也可请收费员登记。",
        "en": "Add the vehicle and have it verified first, or ask the attendant.",
    }


class AlreadyThere(Problem):
    slug = "stay-under-way"
    status = 409
    title = {"zh-CN": "该停车场已在为此车计时", "en": "A stay of this vehicle is under way there already"}
    detail = {"zh-CN": "无需自行开始，离场时将自动结束。", "en": "There is no need to start one."}


class AlreadyOver(Problem):
    slug = "stay-over"
    status = 409
    title = {"zh-CN": "该停车记录已结束", "en": "This stay is over already"}
    detail = {"zh-CN": "如有误，请更正该记录。", "en": "Correct it where it is wrong."}
