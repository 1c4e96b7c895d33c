"""The tariffs' refusals."""

from __future__ import annotations

from parking_cloud.kernel.problems import InvalidInput, NotFound, Problem


class NoTariff(Problem):
    """No tariff was in force there when the vehicle entered: nothing is charged until somebody says what."""

    slug = "no-tariff"
    status = 409
    title = {"zh-CN": "该停车场当时没有生效的收费标准", "en": "No tariff was in force at this facility then"}
    detail = {
        "zh-CN": "请经营者或城市管理员先为该停车场指定收费标准。",
        "en": "The operator or a city administrator has to assign one first.",
    }


class TariffNotFound(NotFound):
    slug = "tariff-not-found"
    title = {"zh-CN": "没有这项收费标准", "en": "There is no such tariff"}


class PlaceNotFound(NotFound):
    slug = "facility-not-found"
    title = {"zh-CN": "没有这个停车场", "en": "There is no such facility"}


class PermitNotFound(NotFound):
    slug = "permit-not-found"
    title = {"zh-CN": "没有这个停车许可", "en": "There is no such permit"}


class TariffRefused(InvalidInput):
    """`errors` lists each fault: where it is, and why, in both languages."""

    slug = "tariff-refused"
    title = {"zh-CN": "收费标准不能这样使用", "en": "The tariff cannot be used like this"}
    detail = {
        "zh-CN": "请按 errors 所列逐项修改。",
        "en": "Correct what `errors` lists.",
    }


class InThePast(InvalidInput):
    slug = "in-the-past"
    title = {"zh-CN": "不能改变已经过去的收费", "en": "What was charged in the past is not changed"}
    detail = {
        "zh-CN": "生效时间须晚于现在。",
        "en": "It has to begin after now.",
    }


class NotFiled(InvalidInput):
    slug = "filing-number-missing"
    title = {"zh-CN": "缺少文号或备案号", "en": "The filing number is missing"}
    detail = {
        "zh-CN": "政府定价须填文号，市场调节价须填备案号。",
        "en": "A government price needs its document's number, a market price its filing number.",
    }
