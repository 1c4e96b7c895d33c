"""The intake's refusals as RFC 9457 problem documents, in zh-CN or en, with stable types."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog
from litestar import Request
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.response import Response
from litestar.types import ASGIApp, Receive, Scope, Send
from prometheus_client import Counter

REFUSALS = Counter("gateway_refusals", "Requests refused, by the slug of their problem", ["problem"])

log = structlog.get_logger(__name__)

_PREFIX = "urn:parking-cloud:problem:"

_TABLE: dict[str, tuple[int, str, str, str, str]] = {
    "malformed-body": (
        400, "请求内容无法读取", "请发送有效的 JSON。",
        "The request could not be read", "Send valid JSON in the documented form.",
    ),
    "wrong-key": (
        401, "接入密钥无效", "请在 X-Api-Key 中提供本数据来源的密钥。",
        "The key is not valid", "Give this source's key in X-Api-Key.",
    ),
    "wrong-signature": (
        401, "签名无效", "请检查 X-Source、X-Timestamp、X-Nonce 与 X-Signature；签名须覆盖原始请求内容。",
        "The signature is not valid", "Check X-Source, X-Timestamp, X-Nonce, X-Signature and the raw body.",
    ),
    "stale-signature": (
        401, "签名已过期", "X-Timestamp 与服务器时间相差不得超过 5 分钟；请校准时钟并重新签名。",
        "The signature is out of date", "X-Timestamp may be 5 minutes off at most. Set the clock; sign anew.",
    ),
    "not-allowed": (
        403, "该密钥无权提交此数据", "请使用设备所属来源的密钥。",
        "This key may not send this", "Use the key of the source that the device belongs to.",
    ),
    "not-found": (
        404, "没有这个地址", "请检查接口地址。",
        "There is nothing at this address", "Check the address.",
    ),
    "unknown-device": (
        404, "设备未登记", "请先登记设备；上行数据已保存，可在登记后重放。",
        "The device is not registered", "Register it first; uplinks are kept and can be replayed then.",
    ),
    "method-not-allowed": (
        405, "不支持这种请求方式", "请使用 POST。",
        "This method is not supported here", "Use POST.",
    ),
    "too-slow": (
        408, "请求内容未及时到达", "未写入任何数据；请在 20 秒内发送完整内容，或分批发送。",
        "The request did not arrive in time", "Nothing was taken. Send all of it within 20 s, or in parts.",
    ),
    "replayed": (
        409, "请求重复", "该 X-Nonce 已使用过；如需再次提交，请更换 X-Nonce 并重新签名。",
        "This request was sent before", "Its X-Nonce has been used. To send it again, sign it anew.",
    ),
    "body-too-large": (
        413, "请求内容过大", "请分批发送，每次不超过 1 MB。",
        "The request is too large", "Send it in parts of at most 1 MB.",
    ),
    "malformed-message": (
        422, "不是有效的上行消息", "请检查网络服务器的消息格式。",
        "Not a valid uplink message", "Check the network server's message format.",
    ),
    "undecodable-payload": (
        422, "载荷无法解码", "请检查设备的厂商、型号与固件；原始数据已保存。",
        "The payload cannot be decoded", "Check its vendor, model and firmware; the raw bytes are kept.",
    ),
    "absurd-time": (
        422, "时间不合理", "观测时间不得早于 30 天前，也不得超前 5 分钟以上。",
        "The time cannot be right", "It must not be older than 30 days or more than 5 minutes ahead.",
    ),
    "coordinates-outside-the-world": (
        422, "坐标超出范围", "纬度须在 -90 至 90 之间，经度须在 -180 至 180 之间。",
        "The coordinates are outside the world", "Latitude is within -90..90, longitude within -180..180.",
    ),
    "invalid-input": (
        422, "输入有误，未写入任何数据", "请按 errors 中的说明修改后重新提交。",
        "The input is not valid; nothing was written", "Correct what `errors` lists and send it again.",
    ),
    "plates-not-accepted": (
        503, "未配置号牌密钥", "本接入端尚未配置号牌加密密钥，不接收号牌。请联系平台管理员。",
        "No plates are taken here", "The intake has no key to seal plates with. Ask its administrator.",
    ),
    "too-busy": (
        429, "接收能力已满", "数据尚未接收，请按 Retry-After 稍后重试。",
        "The intake is full", "Nothing was accepted. Try again after Retry-After.",
    ),
    "storage-unavailable": (
        503, "暂时无法保存", "数据尚未接收，请稍后重试。",
        "It cannot be stored at the moment", "Nothing was accepted. Try again shortly.",
    ),
    "internal": (
        500, "服务器出错了", "请稍后再试。",
        "Something went wrong on our side", "Try again in a moment.",
    ),
}  # fmt: skip


class IntakeProblem(Exception):
    """A refusal by its slug; `errors` lists rows where there are several."""

    def __init__(self, slug: str, detail: str = "", errors: list[dict[str, Any]] | None = None) -> None:
        super().__init__(slug)
        self.slug = slug if slug in _TABLE else "invalid-input"
        self.detail = detail
        self.errors = errors


def on_problem(request: Request[Any, Any, Any], problem: IntakeProblem) -> Response[bytes]:
    """The problem document in the caller's language; zh-CN unless English is asked for first."""
    REFUSALS.labels(problem.slug).inc()
    english = request.headers.get("accept-language", "").strip().lower().startswith("en")
    status, title_zh, detail_zh, title_en, detail_en = _TABLE[problem.slug]
    document: dict[str, Any] = {
        "type": _PREFIX + problem.slug,
        "title": title_en if english else title_zh,
        "status": status,
        "detail": detail_en if english else detail_zh,
        "instance": request.url.path,
    }
    if problem.detail:
        document["reason"] = problem.detail
    if problem.errors is not None:
        document["errors"] = problem.errors
    headers = {"Content-Language": "en" if english else "zh-CN"}
    if status in (429, 503):
        headers["Retry-After"] = "5"
    return Response(
        msgspec.json.encode(document),
        status_code=status,
        media_type="application/problem+json",
        headers=headers,
    )


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """The framework's own refusals."""
    if error.status_code == 413:
        slug = "body-too-large"
    elif isinstance(error, NotFoundException):
        slug = "not-found"
    elif isinstance(error, MethodNotAllowedException):
        slug = "method-not-allowed"
    else:
        slug = "malformed-body" if error.status_code < 500 else "internal"
    return on_problem(request, IntakeProblem(slug))


def on_fault(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Whatever nobody thought of: told to us whole, to the caller only that it was not their fault."""
    log.error("a request ended in a fault", path=request.url.path, exc_info=error)
    return on_problem(request, IntakeProblem("internal"))


class Limited:
    """So many requests to `/v1` in hand at once; who comes then is told to come again, unread."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._in_hand = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != ScopeType.HTTP or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        if self._in_hand >= self._most:
            request: Request[Any, Any, Any] = Request(scope)
            answer = on_problem(request, IntakeProblem("too-busy")).to_asgi_response(None, request)
            await answer(scope, receive, send)
            return
        self._in_hand += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_hand -= 1
