"""What payers see: the page that a redirect or a QR code leads to, the card form, and its script."""

from __future__ import annotations

import secrets
from html import escape
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from parking_cloud.demo.provider import intents, savings
from parking_cloud.demo.provider.forms import invalid
from parking_cloud.demo.provider.store import Store, Thing

_STATIC = Path(__file__).resolve().parent / "static"
_FILES = {
    "/v3/": ("client.js", "text/javascript; charset=utf-8"),
    "/elements/card": ("card.html", "text/html; charset=utf-8"),
    "/elements/card.js": ("card.js", "text/javascript; charset=utf-8"),
    "/elements/authorise.js": ("authorise.js", "text/javascript; charset=utf-8"),
    "/elements/style.css": ("style.css", "text/css; charset=utf-8"),
}
_HTML = "text/html; charset=utf-8"
_NAMES = {"alipay": "支付宝 Alipay", "wechat_pay": "微信支付 WeChat Pay", "card": "银行卡 Card"}


class Page(msgspec.Struct):
    status: int
    body: bytes
    kind: str = _HTML
    headers: list[tuple[str, str]] = []


def static(path: str) -> Page:
    """A file of ours, or that the server lives. Raises Refusal."""
    if path == "/health":
        return Page(200, b'{"status":"live"}', "application/json")
    if path not in _FILES:
        raise invalid("resource_missing", f"Unrecognized request URL ({path})", status=404)
    name, kind = _FILES[path]
    return Page(200, (_STATIC / name).read_bytes(), kind)


def authorise(store: Store, id: str, method: str, said: dict[str, str]) -> Page:
    """Ask the payer, or take the answer. Raises Refusal."""
    intent = store.get(id, "payment_intent", "setup_intent")
    if not secrets.compare_digest(intent["client_secret"], said.get("client_secret", "")):
        raise invalid("resource_missing", f"No such payment_intent: '{id}'", status=404)
    if method == "POST":
        agrees = said.get("outcome") == "authorise"
        slice_ = intents if intent["object"] == "payment_intent" else savings
        intent = slice_.authorise(store, intent, agrees=agrees)
    if intent["status"] == "requires_action":
        return Page(200, _question(intent).encode())
    return_url = intent.get("_return_url")
    if return_url:
        return Page(303, b"", headers=[("location", _back(intent, return_url))])
    return Page(200, _told(intent).encode())


def _back(intent: Thing, return_url: str) -> str:
    """Where the payer came from, told how it went: a hint only, that anyone could forge."""
    query = {
        intent["object"]: intent["id"],
        f"{intent['object']}_client_secret": intent["client_secret"],
        "redirect_status": "succeeded" if intent["status"] == "succeeded" else "failed",
    }
    return f"{return_url}{'&' if '?' in return_url else '?'}{urlencode(query)}"


def _question(intent: Thing) -> str:
    amount = intent.get("amount")
    sum_ = f'<p class="amount">¥{amount // 100}.{amount % 100:02d}</p>' if amount else ""
    name = _NAMES[intent["payment_method_types"][0]]
    return _page(
        f"""<p class="test">演示：没有真实扣款 · Test only: no money moves</p>
<h1>{name}</h1>{sum_}<p>{escape(intent.get("description") or "")}</p>
<form method="post"><input type="hidden" name="client_secret" value="{escape(intent["client_secret"])}">
<button name="outcome" value="authorise" class="yes">同意付款 Authorise</button>
<button name="outcome" value="refuse">拒绝 Refuse</button></form>"""
    )


def _told(intent: Thing) -> str:
    done = intent["status"] == "succeeded"
    said = "已付款，可以关闭本页。 Paid: you may close this page." if done else "没有付款。 Not paid."
    return _page(f'<h1 data-status="{intent["status"]}">{said}</h1>')


def _page(content: str) -> str:
    return f"""<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">
<title>演示支付 Test payment</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/elements/style.css"><script src="/elements/authorise.js" defer></script>
</head><body class="page"><main>{content}</main></body></html>
"""
