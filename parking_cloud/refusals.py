"""Whatever goes wrong in a request becomes a problem document in the caller's language."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog
from litestar import Request
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    SerializationException,
    ValidationException,
)
from litestar.response import Response
from litestar.status_codes import HTTP_413_REQUEST_ENTITY_TOO_LARGE
from redis.exceptions import RedisError
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from parking_cloud.kernel.calendar import UnknownHolidayYear
from parking_cloud.kernel.problems import (
    MEDIA_TYPE,
    BodyTooLarge,
    InvalidInput,
    MalformedBody,
    NotFound,
    Problem,
    Unavailable,
    pick_language,
)

log = structlog.get_logger(__name__)

AnyRequest = Request[Any, Any, Any]


class MethodNotAllowed(Problem):
    slug = "method-not-allowed"
    status = 405
    title = {"zh-CN": "不支持这种请求方式", "en": "This method is not supported here"}
    detail = {"zh-CN": "请查看接口文档 /docs。", "en": "See the API documentation at /docs."}


class HolidaysUnknown(Problem):
    slug = "holidays-unknown"
    status = 503
    title = {
        "zh-CN": "尚不知道 {year} 年的节假日安排",
        "en": "The public holidays of {year} are not known yet",
    }
    detail = {
        "zh-CN": "国务院办公厅发布通知并更新日历后才能计算。",
        "en": "This can be worked out once the yearly notice is out and the calendar is updated.",
    }


def on_problem(request: AnyRequest, problem: Problem) -> Response[bytes]:
    """A refusal that names itself."""
    language = pick_language(request.headers.get("accept-language"), request.query_params.get("lang"))
    body = problem.body(language) | {"instance": request.url.path}
    return Response(
        msgspec.json.encode(body),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={"Content-Language": language},
    )


def on_http_exception(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """The framework's own refusals, by what they mean."""
    if error.status_code >= 500:
        log.error("unhandled error", path=request.url.path, exc_info=error)
    return on_problem(request, _as_problem(error))


def on_unstorable(request: AnyRequest, error: DataError) -> Response[bytes]:
    """A value that PostgreSQL cannot hold, such as text with a NUL."""
    log.warning("a value was refused by the database", path=request.url.path, error=str(error.orig))
    reason = {"field": "", "message": "a value holds characters or numbers that cannot be stored"}
    return on_problem(request, InvalidInput(errors=[reason]))


def on_unavailable(request: AnyRequest, error: Exception) -> Response[bytes]:
    """PostgreSQL or Redis does not answer."""
    log.error("PostgreSQL or Redis is away", path=request.url.path, error=str(error).splitlines()[0])
    return on_problem(request, Unavailable())


def on_unknown_year(request: AnyRequest, error: UnknownHolidayYear) -> Response[bytes]:
    """What hangs on holidays that nobody knows is not guessed."""
    log.error("holidays are not known", path=request.url.path, year=error.year)
    return on_problem(request, HolidaysUnknown(year=error.year))


def on_anything_else(request: AnyRequest, error: Exception) -> Response[bytes]:
    """A fault of ours: logged whole, told without its insides."""
    log.error("unhandled error", path=request.url.path, exc_info=error)
    return on_problem(request, Problem())


def _as_problem(error: HTTPException) -> Problem:
    if error.status_code == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
        return BodyTooLarge()
    if isinstance(error, NotFoundException):
        return NotFound()
    if isinstance(error, MethodNotAllowedException):
        return MethodNotAllowed()
    if isinstance(error, ValidationException):
        return InvalidInput(errors=_field_errors(error))
    if isinstance(error, SerializationException | ClientException):
        return MalformedBody()
    return Problem()


def _field_errors(error: ValidationException) -> list[dict[str, Any]]:
    if isinstance(error.extra, list):
        return [{"field": str(e.get("key", "")), "message": str(e.get("message", ""))} for e in error.extra]
    return [{"field": "", "message": error.detail}]


exception_handlers: dict[int | type[Exception], Any] = {
    Problem: on_problem,
    HTTPException: on_http_exception,
    DataError: on_unstorable,
    OperationalError: on_unavailable,
    PoolTimeout: on_unavailable,
    RedisError: on_unavailable,
    UnknownHolidayYear: on_unknown_year,
    Exception: on_anything_else,
}
