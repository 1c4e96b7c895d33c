"""What drivers are told about their vehicles. None of it names a plate or a place."""

from __future__ import annotations

from parking_cloud.notices.schemas import Texts, Words

CLAIMED_BY_ANOTHER: Texts = {
    "zh-CN": Words(
        "有人申请绑定您的车辆",
        "另一位用户申请绑定一辆已认证在您名下的车辆。核验行驶证之前对方看不到任何停车记录，您无需操作；"
        "如车辆已过户，可在“我的车辆”中解绑。",
        "另一位用户申请绑定您已认证的车辆，核验行驶证前对方看不到任何记录。如未过户无需操作。",
    ),
    "en": Words(
        "Somebody claims your vehicle",
        "Another user asks for a vehicle that is verified as yours. They see none of its stays unless a desk"
        " has seen their licence; you need do nothing. If you sold it, remove it under “My vehicles”.",
        "Another user claims a vehicle of yours. They see nothing unless their licence is verified."
        " If you still own it, do nothing.",
    ),
}
VERIFIED: Texts = {
    "zh-CN": Words("车辆已认证", "您的车辆已通过认证，可查看停车记录与账单。", "您的车辆已通过认证。"),
    "en": Words(
        "Your vehicle is verified",
        "You now see its stays and charges.",
        "Your vehicle is verified.",
    ),
}
REFUSED: Texts = {
    "zh-CN": Words(
        "车辆未通过认证",
        "您的车辆绑定申请未通过，原因见“我的车辆”。可携行驶证到服务窗口重新申请。",
        "您的车辆绑定申请未通过，原因请登录查看。",
    ),
    "en": Words(
        "Your vehicle was not verified",
        "See the reason under “My vehicles”. You can ask again with the vehicle licence at hand.",
        "Your vehicle was not verified; sign in to see why.",
    ),
}
ENDED: Texts = {
    "zh-CN": Words(
        "车辆绑定已结束",
        "一辆原在您名下的车辆已由新车主认证，您不再能查看其停车记录。如有异议，请联系服务窗口。",
        "一辆原在您名下的车辆已由新车主认证。如有异议，请联系服务窗口。",
    ),
    "en": Words(
        "A vehicle is no longer yours here",
        "Its licence was verified for another owner; you no longer see its stays. Ask the service desk if"
        " that is wrong.",
        "A vehicle of yours was verified for another owner. Ask the service desk if that is wrong.",
    ),
}
