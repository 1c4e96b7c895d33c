"""What is known of one vehicle → its visits: a pure decision, the same for every order of arrival.

Each named situation (schemas.Situation) has its rule here:
- missed entry: an exit without an entry. It proves one moment, so the visit has no length.
- missed exit: the vehicle enters again, here or elsewhere. It left at some time since it was last proved to
  be there; that last proof is taken for the end, and `not_after` says what is possible.
- two at once: at two places by more than clocks may differ. Neither is charged by itself.
- tow: the visit ends with the tow, whatever comes after.
- vehicle swap: another vehicle stands on its space. It ends at its last proof.
- the space or a count says that it left, and no gate does: ended then, and looked at by a person.
Where something is in doubt, the driver is favoured; but a driver's own word, which costs nothing to give,
begins and ends only what rests on it, and is itself what is in doubt where it contradicts others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from parking_cloud.kernel.ids import stable_id
from parking_cloud.stays.schemas import Ended, Opened, Situation
from parking_cloud.stays.visit import Action, Decision, Fact, FactKind, Visit

READ_TWICE = timedelta(minutes=2)
"""A gate that reads a plate again within this has seen the same passage."""
SKEW = timedelta(minutes=5)
"""So far the clocks of two places may be apart."""
SUPERSEDED = timedelta(hours=12)
"""So long after a visit was thought to have ended its gate may still tell when it really did."""


VOID_ENDS = timedelta(days=3)
"""So long after an open visit was voided what comes may still be its own; then the place starts afresh."""


_ORDER = {FactKind.SWAP: 0, FactKind.END: 1, FactKind.EXIT: 2, FactKind.ENTRY: 3, FactKind.START: 4}
"""Of the same moment: what ends comes before what begins."""


def visits(facts: Iterable[Fact], decisions: Mapping[UUID, Decision]) -> list[Visit]:
    """The visits of one vehicle, at all places, by the time they began. `decisions`: the last, by stay."""
    by_place: dict[UUID, dict[UUID, Fact]] = {}
    for fact in facts:
        by_place.setdefault(fact.facility_id, {})[fact.id] = fact
    found: list[Visit] = []
    for place in by_place.values():
        in_order = sorted(place.values(), key=lambda f: (f.at, _ORDER[f.kind], f.id))
        found += _at_one_place(in_order, decisions)
    decided = [_decided(visit, decisions.get(visit.id)) for visit in found]
    return _one_place_at_a_time(sorted(decided, key=_began))


def _began(visit: Visit) -> tuple[datetime, UUID]:
    return visit.entered_at, visit.id


def _at_one_place(facts: Sequence[Fact], decisions: Mapping[UUID, Decision]) -> list[Visit]:
    """The visits at one place; `facts` in order."""
    found: list[Visit] = []
    for fact in facts:
        last = found[-1] if found else None
        if last and last.exited_at is None and _given_up(decisions.get(last.id), fact.at):
            last = None
        if fact.kind is FactKind.EXIT:
            _exit(found, last, fact)
        elif last is None or last.exited_at is not None:
            if fact.kind in (FactKind.ENTRY, FactKind.START):
                found.append(_opened(fact))
        elif fact.kind is FactKind.ENTRY:
            if fact.at - last.proved_until <= (READ_TWICE if last.entry_event_id else SKEW):
                found[-1] = _seen(last, fact)
            else:
                found[-1] = _left_unseen(last, fact.at)
                found.append(_opened(fact))
        elif fact.kind is FactKind.START:
            _start(found, last, fact)
        elif fact.kind is FactKind.SWAP:
            if fact.space_id == last.space_id:
                found[-1] = _ended(last, last.proved_until, Ended.SPACE, fact.at, Situation.VEHICLE_SWAP)
        else:
            found[-1] = _end(last, fact)
    return found


def _given_up(decision: Decision | None, at: datetime) -> bool:
    if decision is None or decision.action is not Action.VOID:
        return False
    return at > decision.decided_at + VOID_ENDS


def _opened(fact: Fact) -> Visit:
    by_gate = fact.kind is FactKind.ENTRY
    return Visit(
        id=stay_id(fact.id),
        facility_id=fact.facility_id,
        entered_at=fact.at,
        opened_by=Opened.GATE if by_gate else Opened(fact.by),
        entry_event_id=fact.id if by_gate else None,
        proved_until=fact.at,
        space_id=fact.space_id,
        confidence=fact.confidence,
        facts=(fact,),
    )


def stay_id(anchor: UUID) -> UUID:
    """The id of the stay that begins with a fact (or ends with it, where its entry is not known)."""
    return stable_id("stay", str(anchor))


def _exit(found: list[Visit], last: Visit | None, fact: Fact) -> None:
    if last is not None and last.exited_at is None:
        found[-1] = _left_by_gate(last, fact)
    elif last is not None and _again(last, fact):
        found[-1] = _rests_on(last, fact)
    elif last is not None and _really_ended(last, fact):
        found[-1] = _left_by_gate(last, fact)
    else:
        alone = _opened(msgspec.structs.replace(fact, kind=FactKind.START, by=Opened.EXIT))
        found.append(
            msgspec.structs.replace(
                alone,
                exited_at=fact.at,
                ended_by=Ended.GATE,
                exit_event_id=fact.id,
                situations=frozenset({Situation.MISSED_ENTRY}),
            )
        )


def _again(last: Visit, fact: Fact) -> bool:
    """Whether the gate has only read the same exit again."""
    return (
        last.ended_by is Ended.GATE and last.exited_at is not None and fact.at - last.exited_at <= READ_TWICE
    )


def _really_ended(last: Visit, fact: Fact) -> bool:
    """Whether a gate tells the true end of a visit that others had thought to have ended."""
    thought = last.ended_by in (Ended.SPACE, Ended.DRIVER, Ended.ATTENDANT, Ended.COUNT)
    return thought and last.exited_at is not None and fact.at - last.exited_at <= SUPERSEDED


def _left_by_gate(last: Visit, fact: Fact) -> Visit:
    kept = last.situations - {Situation.SPACE_SAYS_LEFT, Situation.COUNT_SAYS_LEFT, Situation.VEHICLE_SWAP}
    return msgspec.structs.replace(
        _rests_on(last, fact),
        exited_at=fact.at,
        ended_by=Ended.GATE,
        exit_event_id=fact.id,
        not_after=None,
        proved_until=fact.at,
        confidence=least(last.confidence, fact.confidence),
        situations=kept,
    )


def _start(found: list[Visit], last: Visit, fact: Fact) -> None:
    """A start while it is there: it is seen again, or it now stands elsewhere within the place."""
    if fact.by == Opened.DRIVER and not _only_said(last):
        found[-1] = _rests_on(last, fact)
        return
    moved = last.space_id is not None and fact.space_id is not None and last.space_id != fact.space_id
    if moved and last.entry_event_id is None:
        found[-1] = _left_unseen(last, fact.at)
        found.append(_opened(fact))
    else:
        found[-1] = _seen(last, fact)


def _only_said(visit: Visit) -> bool:
    """Whether nothing but the driver's own word speaks for it."""
    return all(fact.by == Opened.DRIVER for fact in visit.facts)


def _end(last: Visit, fact: Fact) -> Visit:
    """Somebody, or something, says that it has left."""
    ended = Ended(fact.by)
    if ended is Ended.DRIVER and (last.opened_by is not Opened.DRIVER or last.entry_event_id):
        return _rests_on(last, fact)
    situation = {
        Ended.TOW: Situation.TOWED,
        Ended.COUNT: Situation.COUNT_SAYS_LEFT,
        Ended.SPACE: Situation.SPACE_SAYS_LEFT if last.entry_event_id else None,
    }.get(ended)
    if situation is Situation.COUNT_SAYS_LEFT:
        return _rests_on(_ended(last, last.proved_until, ended, fact.at, situation), fact)
    return _rests_on(_ended(last, fact.at, ended, None, situation), fact)


def _ended(
    last: Visit, at: datetime, by: Ended, not_after: datetime | None, situation: Situation | None
) -> Visit:
    return msgspec.structs.replace(
        last,
        exited_at=at,
        ended_by=by,
        not_after=not_after,
        situations=last.situations | ({situation} if situation else set()),
    )


def _left_unseen(last: Visit, by_then: datetime) -> Visit:
    return _ended(last, last.proved_until, Ended.NEXT_ENTRY, by_then, Situation.MISSED_EXIT)


def _seen(last: Visit, fact: Fact) -> Visit:
    """It is still there."""
    return msgspec.structs.replace(
        _rests_on(last, fact),
        proved_until=max(last.proved_until, fact.at),
        space_id=fact.space_id or last.space_id,
        entry_event_id=last.entry_event_id or (fact.id if fact.kind is FactKind.ENTRY else None),
        confidence=best(last, fact),
    )


def best(last: Visit, fact: Fact) -> float | None:
    """How sure the plate is that several readings agree on: as sure as the best of them."""
    if last.confidence is None or fact.confidence is None:
        return None
    return max(last.confidence, fact.confidence)


def least(one: float | None, other: float | None) -> float | None:
    """How sure it is that two readings are of one vehicle; None: a person checked, or nobody said."""
    known = [c for c in (one, other) if c is not None]
    return min(known, default=None)


def _rests_on(visit: Visit, fact: Fact) -> Visit:
    return msgspec.structs.replace(visit, facts=(*visit.facts, fact))


def _decided(visit: Visit, decision: Decision | None) -> Visit:
    """A visit as a person decided; where later records contradict that, both are kept for a person to see."""
    visit = msgspec.structs.replace(visit, derived=(visit.entered_at, visit.exited_at))
    if decision is None:
        return visit
    if decision.action is Action.VOID:
        return msgspec.structs.replace(visit, decision=decision)
    changed = (visit.entered_at, visit.exited_at) != (decision.basis_entered_at, decision.basis_exited_at)
    if changed and not _agrees(visit, decision):
        return msgspec.structs.replace(visit, decision=decision, contradicted=True)
    corrected = decision.action is Action.CORRECT
    return msgspec.structs.replace(
        visit,
        decision=decision,
        entered_at=decision.entered_at or visit.entered_at,
        exited_at=decision.exited_at,
        ended_by=Ended.OPERATOR if corrected or visit.ended_by is None else visit.ended_by,
        situations=visit.situations | ({Situation.CORRECTED} if corrected else set()),
    )


def _agrees(visit: Visit, decision: Decision) -> bool:
    """Whether what gates say now is what was decided before they said it."""
    said = [
        (visit.entered_at, decision.entered_at) if visit.entry_event_id else None,
        (visit.exited_at, decision.exited_at) if visit.exit_event_id else None,
    ]
    return all(a is not None and b is not None and abs(a - b) <= SKEW for a, b in filter(None, said))


def _one_place_at_a_time(found: list[Visit]) -> list[Visit]:
    """What follows from that a vehicle is at one place at a time; `found` by the time they began."""
    real = [visit for visit in found if not visit.void]
    settled = [_gone_elsewhere(visit, real) for visit in real]
    for one in range(len(settled)):
        for other in range(one + 1, len(settled)):
            settled[one], settled[other] = _apart(settled[one], settled[other])
    return sorted([*settled, *(visit for visit in found if visit.void)], key=_began)


def _gone_elsewhere(visit: Visit, found: Sequence[Visit]) -> Visit:
    """Ended by that it entered another place later, where its own exit is not known.

    That the driver says so ends only what the driver had said.
    """
    later = [
        v.entered_at
        for v in found
        if v.facility_id != visit.facility_id
        and v.opened_by is not Opened.EXIT
        and _began(v) > _began(visit)
        and (_only_said(visit) or not _only_said(v))
    ]
    if visit.exited_at is not None or not later:
        return visit
    left = _left_unseen(visit, min(later))
    return msgspec.structs.replace(
        left,
        exited_at=max(min(left.proved_until, min(later)), visit.entered_at),
        situations=left.situations | {Situation.TWO_AT_ONCE},
    )


def overlap(one: Visit, other: Visit) -> timedelta:
    """How long both last at once; `one` began first. Of one that has not ended nothing is said."""
    if one.exited_at is None:
        return timedelta(0)
    until = one.exited_at if other.exited_at is None else min(one.exited_at, other.exited_at)
    return max(until - other.entered_at, timedelta(0))


def _apart(one: Visit, other: Visit) -> tuple[Visit, Visit]:
    """Two visits of one vehicle do not overlap: a little is the clocks', more is in doubt.

    What a person has answered for stands, and the other is in doubt; of two, the one decided first. Else both
    are in doubt, or the one that only the driver spoke for.
    """
    if one.exited_at is None and _only_said(other) and one.facility_id != other.facility_id:
        return _seen_elsewhere(one), other if other.standing else _doubted(other)
    if not overlap(one, other) or one.exited_at is None:
        return one, other
    in_turn = other.exited_at is None or other.exited_at >= one.exited_at
    if in_turn and one.exited_at - other.entered_at <= SKEW:
        return msgspec.structs.replace(one, exited_at=max(other.entered_at, one.entered_at)), other
    if one.standing is None and other.standing is None:
        if _only_said(one) is not _only_said(other):
            return (_doubted(one), other) if _only_said(one) else (one, _doubted(other))
        return _doubted(one), _doubted(other)
    theirs, ours = other.standing, one.standing
    ours_first = ours is not None and (
        theirs is None or (ours.decided_at, one.id) <= (theirs.decided_at, other.id)
    )
    return (one, _doubted(other)) if ours_first else (_doubted(one), other)


def _doubted(visit: Visit) -> Visit:
    return msgspec.structs.replace(_seen_elsewhere(visit), doubted=True)


def _seen_elsewhere(visit: Visit) -> Visit:
    return msgspec.structs.replace(visit, situations=visit.situations | {Situation.TWO_AT_ONCE})
