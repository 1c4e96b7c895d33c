"""The API's routes: which verb answers which address, lists, searches and expansions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from parking_cloud.demo.provider import intents, refunds, savings
from parking_cloud.demo.provider.forms import Said, group, invalid, needed
from parking_cloud.demo.provider.store import Store, Thing, shown

_LISTS = {
    "payment_intents": "payment_intent",
    "refunds": "refund",
    "charges": "charge",
    "disputes": "dispute",
    "events": "event",
    "balance_transactions": "balance_transaction",
    "webhook_endpoints": "webhook_endpoint",
}
_KINDS = _LISTS | {
    "setup_intents": "setup_intent",
    "payment_methods": "payment_method",
    "customers": "customer",
}
_BY_KEY = re.compile(r"metadata\['key'\]:'([^'\\]+)'")
_FOR_PAYERS = ("payment_intents", "setup_intents")
"""What a page may read and confirm with the publishable key and the intent's client secret."""

Verb = Callable[[Store, Thing, Said, str], Thing]
_VERBS: dict[tuple[str, str], Verb] = {
    ("payment_intents", "confirm"): intents.confirm,
    ("payment_intents", "cancel"): lambda store, intent, said, _: intents.cancel(store, intent, said),
    ("setup_intents", "confirm"): savings.confirm,
    ("payment_methods", "detach"): lambda store, method, _, __: savings.detach(store, method),
    ("disputes", ""): lambda store, dispute, said, _: refunds.answer_dispute(store, dispute, said),
    ("disputes", "close"): lambda store, dispute, _, __: refunds.decide(store, dispute, won=False),
}


def answer(store: Store, method: str, path: str, said: Said, *, by_payer: bool, pages: str) -> Thing:
    """One request, inside a transaction. Raises Refusal."""
    kind, _, rest = path.strip("/").partition("/")
    id, _, verb = rest.partition("/")
    if by_payer:
        _check_payer(store, method, kind, id, verb, said)
    if method == "GET" and verb == "" and kind in _KINDS:
        return _read(store, kind, id, said)
    if method == "POST" and not id:
        return shown(_create(store, kind, said, pages))
    if method == "POST" and (kind, verb) in _VERBS:
        return shown(_VERBS[kind, verb](store, store.get(id, _KINDS[kind]), said, pages))
    raise _unknown(method, path)


def _unknown(method: str, path: str) -> Exception:
    return invalid("resource_missing", f"Unrecognized request URL ({method}: /v1/{path})", status=404)


def _check_payer(store: Store, method: str, kind: str, id: str, verb: str, said: Said) -> None:
    if kind not in _FOR_PAYERS or (method, verb) not in (("GET", ""), ("POST", "confirm")):
        raise invalid("secret_key_required", "This needs the secret key.", status=401)
    if store.get(id, _KINDS[kind])["client_secret"] != needed(said, "client_secret"):
        raise invalid("resource_missing", f"No such {_KINDS[kind]}: '{id}'", status=404)


def _create(store: Store, kind: str, said: Said, pages: str) -> Thing:
    match kind:
        case "payment_intents":
            return intents.create(store, said, pages)
        case "refunds":
            return refunds.create(store, said)
        case "customers":
            return savings.create_customer(store, said)
        case "setup_intents":
            return savings.create(store, said, pages)
        case "webhook_endpoints":
            return _create_endpoint(store, said)
    raise _unknown("POST", kind)


def _create_endpoint(store: Store, said: Said) -> Thing:
    events = said.get("enabled_events") or ["*"]
    return make_endpoint(store, needed(said, "url"), intents.client_secret("whsec"), events)


def make_endpoint(store: Store, url: str, secret: str, events: list[str]) -> Thing:
    """Where webhooks go, and what they are signed with."""
    endpoint = {
        "object": "webhook_endpoint",
        "url": url,
        "secret": secret,
        "enabled_events": events,
        "status": "enabled",
        "metadata": {},
    }
    return store.add("we", endpoint)


def _read(store: Store, kind: str, id: str, said: Said) -> Thing:
    expansions = said.get("expand") or []
    if kind == "payment_intents" and id == "search":
        found = _BY_KEY.fullmatch(needed(said, "query"))
        if found is None:
            raise invalid("parameter_invalid", "only metadata['key'] can be searched here", param="query")
        data = [shown(thing) for thing in store.find("payment_intent", key=found[1])]
        return {"object": "search_result", "url": f"/v1/{kind}/search", "has_more": False, "data": data}
    if id:
        made = shown(store.get(id, _KINDS[kind]))
    elif kind in _LISTS:
        made = _list(store, kind, said)
    else:
        raise _unknown("GET", kind)
    for expansion in expansions:
        _expand(store, made, expansion.split("."))
    return made


def _list(store: Store, kind: str, said: Said) -> Thing:
    created = group(said, "created")
    limit = min(int(said.get("limit") or 10), 100)
    found = store.find(
        _LISTS[kind],
        intent=said.get("payment_intent") or "",
        since=int(created.get("gte") or 0),
        before=int(created.get("lt") or 1 << 40),
        after_id=said.get("starting_after") or "",
        limit=limit + 1,
    )
    data = [shown(thing) for thing in found[:limit]]
    return {"object": "list", "url": f"/v1/{kind}", "has_more": len(found) > limit, "data": data}


def _expand(store: Store, made: Any, steps: list[str]) -> None:
    """Put the object where its id stands."""
    if isinstance(made, list):
        for each in made:
            _expand(store, each, steps)
    elif isinstance(made, dict) and steps and made.get(steps[0]):
        first = made[steps[0]]
        if isinstance(first, str):
            made[steps[0]] = shown(store.get(first))
        _expand(store, made[steps[0]], steps[1:])
