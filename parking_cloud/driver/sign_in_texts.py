"""The words of the drivers' door, in both languages."""

from __future__ import annotations

SIGN_IN_TEXTS: dict[str, dict[str, str]] = {
    "zh-CN": {
        "title": "登录",
        "phone": "手机号",
        "phone_hint": "我们发送 6 位验证码。第一次登录即注册，不需要密码。",
        "send": "获取验证码",
        "sent_to": "验证码已发送至 {phone}，5 分钟内有效。",
        "still_holds": "如果 {phone} 已收到验证码，5 分钟内仍可使用。",
        "code": "短信验证码",
        "sign_in": "登录",
        "again": "重新获取",
        "other_phone": "换一个手机号",
        "demo_phone": "演示：用 {phone} 登录，可看到已有的记录。",
        "demo": "演示环境不发短信，验证码是",
        "kept": "手机号加密保存，只用于登录和您同意的通知。",
        "pay_hint": "缴费不需要登录：扫码或输入车牌即可。",
        "pay_without": "不登录，直接缴费",
    },
    "en": {
        "title": "Sign in",
        "phone": "Mobile number",
        "phone_hint": "We send you six digits. The first time makes your account; there is no password.",
        "send": "Send the code",
        "sent_to": "A code is on its way to {phone}. It holds for five minutes.",
        "still_holds": "A code that {phone} has received still holds for five minutes after it was sent.",
        "code": "Code from the message",
        "sign_in": "Sign in",
        "again": "Send another",
        "other_phone": "Use another number",
        "demo_phone": "Demo: sign in as {phone} to find some history.",
        "demo": "The demo sends no messages. Your code is",
        "kept": "Your number is kept encrypted: for signing in, and for notices you agreed to.",
        "pay_hint": "You can pay without signing in: scan the code, or type your plate.",
        "pay_without": "Pay without signing in",
    },
}
