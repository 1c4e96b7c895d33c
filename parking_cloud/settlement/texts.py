"""Differences in words, in both languages."""

from __future__ import annotations

from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.settlement.rules import DifferenceKind

_WHAT = {
    "payment": ("支付", "payment"),
    "refund_done": ("退款", "refund"),
    "refund_failed": ("退款失败退回", "refund that came back"),
    "chargeback": ("拒付扣款", "chargeback"),
    "chargeback_won": ("拒付撤销", "chargeback that was won"),
    "line": ("账目", "line"),
}
_RESOLVED = {
    "timing": ("跨零点，次日对平。", " On the two sides of a midnight."),
    "came_later": ("后续已对平。", " Both sides agree since."),
    "undone": ("退款未成功，款项已退回。", " The refund did not go through: the money came back."),
    "by_hand": ("已人工说明。", " Explained by a person."),
}


def explanation(kind: DifferenceKind, cause: str, here: int, there: int, resolved_by: str) -> dict[str, str]:
    """What a difference is, and how it was resolved."""
    chinese, english = _WHAT.get(cause, _WHAT["line"])
    ours, theirs = format_yuan(Fen(here)), format_yuan(Fen(there))
    said = {
        DifferenceKind.MISSING_HERE: (
            f"渠道账单有一笔{chinese} {theirs}，平台账本没有。",
            f"The provider's books have a {english} of {theirs} that our ledger has not.",
        ),
        DifferenceKind.MISSING_THERE: (
            f"平台账本有一笔{chinese} {ours}，渠道账单没有。",
            f"Our ledger has a {english} of {ours} that the provider's books have not.",
        ),
        DifferenceKind.AMOUNT: (
            f"一笔{chinese}金额不同：平台 {ours}，渠道 {theirs}。",
            f"A {english} differs: {ours} here, {theirs} there.",
        ),
        DifferenceKind.TIMING: (
            f"一笔{chinese}在零点前后入账：平台 {ours}，渠道 {theirs}。",
            f"A {english} was booked around midnight: {ours} here, {theirs} there on this day.",
        ),
        DifferenceKind.UNKNOWN_LINE: (
            f"渠道账单有一笔无法对应的账目 {theirs}。",
            f"The provider's books have a line of {theirs} that is of nothing of ours.",
        ),
    }[kind]
    after = _RESOLVED.get(resolved_by, ("", ""))
    return {"zh-CN": said[0] + after[0], "en": said[1] + after[1]}
