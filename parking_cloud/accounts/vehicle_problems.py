"""Why a vehicle is not claimed or verified."""

from __future__ import annotations

from parking_cloud.kernel.problems import InvalidInput, NotFound, Problem


class BadPlate(InvalidInput):
    slug = "bad-plate"
    title = {"zh-CN": "没有读到车牌", "en": "There is no plate in it"}


class AlreadyClaimed(Problem):
    slug = "vehicle-already-claimed"
    status = 409
    title = {"zh-CN": "您已添加过这辆车", "en": "You have added this vehicle already"}
    detail = {"zh-CN": "请查看它的审核状态。", "en": "See how its verification stands."}


class TooManyVehicles(Problem):
    slug = "too-many-vehicles"
    status = 409
    title = {"zh-CN": "车辆已达上限", "en": "You have as many vehicles as one account may"}
    detail = {"zh-CN": "请先解绑不再使用的车辆。", "en": "Remove one that you no longer use."}


class TooManyClaims(Problem):
    slug = "too-many-claims"
    status = 429
    title = {"zh-CN": "今天申请次数过多", "en": "Too many vehicles claimed today"}
    detail = {"zh-CN": "请明天再试。", "en": "Try again tomorrow."}


class ClaimNotFound(NotFound):
    slug = "vehicle-not-found"
    title = {"zh-CN": "没有这辆车", "en": "There is no such vehicle"}


class ClaimDecided(Problem):
    slug = "vehicle-claim-decided"
    status = 409
    title = {"zh-CN": "该申请已处理", "en": "This claim is decided already"}
    detail = {"zh-CN": "如需更改，请重新申请。", "en": "A new claim can be made."}


class LicenceDoesNotMatch(InvalidInput):
    slug = "licence-does-not-match"
    title = {"zh-CN": "行驶证与申请的车牌不符", "en": "The licence shows another plate than was claimed"}
