"""Accounts' verbs: sign in, keep users and source keys."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.events import SOURCE_CHANGED
from parking_cloud.accounts.models import ApiKey, User
from parking_cloud.accounts.passwords import hash_password, needs_rehash, verify_password
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit, outbox
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.problems import Problem

MOST_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)
"""等保 2.0 level 3 (GB/T 22239-2019, 8.1.4) asks for a lock after failed sign-ins; the numbers are ours."""


class WrongPassword(Problem):
    slug = "wrong-password"
    status = 401
    commits = True
    title = {"zh-CN": "用户名或密码不正确", "en": "The user name or password is not right"}
    detail = {
        "zh-CN": "请检查后重试；连续 5 次错误将锁定 15 分钟。",
        "en": "Check both and try again; after five failures the account is locked for 15 minutes.",
    }


class AccountLocked(Problem):
    slug = "account-locked"
    status = 429
    commits = True
    title = {"zh-CN": "账号已暂时锁定", "en": "The account is locked for now"}
    detail = {
        "zh-CN": "密码连续输错次数过多，请 15 分钟后再试，或联系管理员。",
        "en": "Too many failed sign-ins. Try again in 15 minutes, or ask an administrator.",
    }


async def sign_in(session: AsyncSession, clock: Clock, username: str, password: str) -> Identity:
    """The identity of a user. Raises WrongPassword or AccountLocked; both leave their trace committed."""
    user = await session.scalar(
        select(User).where(func.lower(User.username) == username.lower(), User.active).with_for_update()
    )
    if user is not None and user.locked_until is not None and user.locked_until > clock.now():
        raise AccountLocked()
    if not await verify_password(user.password_hash if user else None, password):
        if user is not None:
            await _count_failure(session, clock, user)
        raise WrongPassword()
    assert user is not None
    user.failed_logins = 0
    user.locked_until = None
    if user.password_hash and needs_rehash(user.password_hash):
        user.password_hash = await hash_password(password)
    return identity_of(user)


async def _count_failure(session: AsyncSession, clock: Clock, user: User) -> None:
    user.failed_logins += 1
    if user.failed_logins >= MOST_FAILURES:
        user.failed_logins = 0
        user.locked_until = clock.now() + LOCKED_FOR
        await audit.record(
            session,
            actor_id=user.id,
            actor_role=user.role,
            action="accounts.locked",
            subject_type="user",
            subject_id=str(user.id),
            reason="too many failed sign-ins",
        )


def identity_of(user: User) -> Identity:
    """What a token says of a user."""
    return Identity(
        user_id=user.id,
        username=user.username,
        role=Role(user.role),
        operator_id=user.operator_id,
        institution_id=user.institution_id,
    )


async def upsert_user(
    session: AsyncSession,
    *,
    username: str,
    password: str,
    role: Role,
    operator_id: UUID | None = None,
    institution_id: UUID | None = None,
) -> User:
    """Make a user, or set the password and role of the one of that name."""
    user = await session.scalar(select(User).where(func.lower(User.username) == username.lower()))
    password_hash = await hash_password(password)
    if user is None:
        user = User(username=username, password_hash=password_hash, role=role)
        session.add(user)
    user.password_hash, user.role, user.active = password_hash, role, True
    user.operator_id, user.institution_id = operator_id, institution_id
    user.failed_logins, user.locked_until = 0, None
    await session.flush()
    return user


async def upsert_api_key(
    session: AsyncSession, *, source: str, key: str, scopes: tuple[str, ...], any_device: bool
) -> None:
    """Give a source its key; a key it had before no longer holds once the gateway has heard of it."""
    row = await session.get(ApiKey, source)
    gone: list[str] = []
    if row is None:
        row = ApiKey(source=source)
        session.add(row)
    else:
        gone.append(row.key_hash)
    row.key_hash = sha256(key.encode()).hexdigest()
    row.scopes, row.any_device, row.revoked_at = list(scopes), any_device, None
    await session.flush()
    await outbox.add(session, SOURCE_CHANGED, source, {"gone": gone})
