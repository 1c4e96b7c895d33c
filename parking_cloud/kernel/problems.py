"""Errors for people: what happened and what to do, as RFC 9457 problem+json in the caller's language."""

from __future__ import annotations

from typing import Any

TYPE_PREFIX = "urn:parking-cloud:problem:"
MEDIA_TYPE = "application/problem+json"
LANGUAGES = ("zh-CN", "en")


class Problem(Exception):
    """A refusal with a stable type. Subclass it beside the service that refuses.

    `slug` names the type; `status` is the HTTP status; `title` and `detail` hold one text per language.
    Texts may use `{name}` fields, filled from `values`.
    """

    slug = "internal"
    status = 500
    commits = False
    """True: what the request wrote before refusing stays written (a counted failure, say)."""
    title: dict[str, str] = {"zh-CN": "服务器出错了", "en": "Something went wrong on our side"}
    detail: dict[str, str] = {
        "zh-CN": "请稍后再试；若一直如此，请告知管理员。",
        "en": "Try again in a moment; if it goes on, tell the administrator.",
    }

    def __init__(self, *, errors: list[dict[str, Any]] | None = None, **values: Any) -> None:
        super().__init__(self.slug)
        self.values = values
        self.errors = errors

    def body(self, language: str) -> dict[str, Any]:
        """The problem document in `language` (one of LANGUAGES)."""
        document: dict[str, Any] = {
            "type": TYPE_PREFIX + self.slug,
            "title": self.title[language].format(**self.values),
            "status": self.status,
            "detail": self.detail[language].format(**self.values),
        }
        if self.errors is not None:
            document["errors"] = self.errors
        return document

    def __str__(self) -> str:
        body = self.body("en")
        return f"{body['title']} {body['detail']}"


class NotFound(Problem):
    slug = "not-found"
    status = 404
    title = {"zh-CN": "没有找到", "en": "Not found"}
    detail = {"zh-CN": "请检查地址或编号。", "en": "Check the address or the id."}


class InvalidInput(Problem):
    """The request was understood but a value in it is not acceptable; `errors` lists each."""

    slug = "invalid-input"
    status = 422
    title = {"zh-CN": "输入有误", "en": "The input is not valid"}
    detail = {"zh-CN": "请按 errors 中的说明修改后再试。", "en": "Correct what `errors` lists and try again."}


class MalformedBody(Problem):
    slug = "malformed-body"
    status = 400
    title = {"zh-CN": "请求内容无法读取", "en": "The request could not be read"}
    detail = {"zh-CN": "请发送有效的 JSON。", "en": "Send valid JSON."}


class BodyTooLarge(Problem):
    slug = "body-too-large"
    status = 413
    title = {"zh-CN": "请求内容过大", "en": "The request is too large"}
    detail = {"zh-CN": "请分批发送。", "en": "Send it in smaller parts."}


class Unavailable(Problem):
    """PostgreSQL or Redis is away."""

    slug = "unavailable"
    status = 503
    title = {"zh-CN": "服务暂时不可用", "en": "The service is not available at the moment"}
    detail = {"zh-CN": "请稍后再试。", "en": "Try again shortly."}


class NotSignedIn(Problem):
    slug = "not-signed-in"
    status = 401
    title = {"zh-CN": "尚未登录", "en": "You are not signed in"}
    detail = {
        "zh-CN": "请先登录，或检查令牌是否过期。",
        "en": "Sign in, or check whether your token has expired.",
    }


class NotAllowed(Problem):
    slug = "not-allowed"
    status = 403
    title = {"zh-CN": "没有权限", "en": "You may not do this"}
    detail = {"zh-CN": "您的角色不能进行此操作。", "en": "Your role does not allow this."}


class OutsideTheWorld(InvalidInput):
    slug = "coordinates-outside-the-world"
    title = {"zh-CN": "坐标超出范围", "en": "The coordinates are outside the world"}
    detail = {
        "zh-CN": "纬度须在 -90 至 90 之间，经度须在 -180 至 180 之间。",
        "en": "Latitude must be within -90..90 and longitude within -180..180.",
    }


def pick_language(accept_language: str | None, chosen: str | None = None) -> str:
    """The language to answer in: the one chosen, else the best of Accept-Language, else zh-CN."""
    if chosen in LANGUAGES:
        return chosen
    for part in (accept_language or "").split(","):
        tag = part.split(";")[0].strip().lower()
        if tag.startswith("zh"):
            return "zh-CN"
        if tag.startswith("en"):
            return "en"
    return "zh-CN"
