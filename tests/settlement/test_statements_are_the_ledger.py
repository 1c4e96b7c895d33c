"""A statement's sums are the ledger's, it is never changed, and what is missing is carried, not paid out."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import AsyncTestClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.problems import InvalidInput
from parking_cloud.kernel.settings import Settings
from parking_cloud.kernel.sheets import safe
from parking_cloud.ledger import service as ledger
from parking_cloud.ledger.schemas import Account, AccountKind
from parking_cloud.payments.chargebacks import dispute_seen
from parking_cloud.payments.provider import Method
from parking_cloud.settlement import statements
from parking_cloud.settlement.models import SettlementStatement
from parking_cloud.settlement.reconciling import Reconciler
from parking_cloud.settlement.rules import Item, commission, statement_lines, totals
from tests.payments.parts import minute, priced_garage
from tests.serving import client_of
from tests.settlement.parts import CHIEF, DAY, TREASURER, Town

Sessions = async_sessionmaker[AsyncSession]
NEXT = DAY + timedelta(days=1)
EVENING = minute(24 * 60)

items = st.lists(
    st.builds(
        Item,
        st.sampled_from(["street", "garage"]),
        st.sampled_from([DAY, NEXT]),
        st.sampled_from(["charged", "paid", "refunded", "charged_back", "fee"]),
        st.sampled_from(["card", "alipay", "wechat_pay", "cash"]),
        st.integers(-50_000, 50_000),
        st.sampled_from([0, 250, 500]),
    ),
    max_size=30,
)


@given(items, st.integers(-10_000, 0))
def test_nothing_is_lost_between_items_and_payout(of: list[Item], carried: int) -> None:
    lines = statement_lines(of)
    by_column = sum(line.charged + line.electronic + line.cash for line in lines)
    by_column += sum(line.refunded + line.charged_back + line.fees for line in lines)
    assert by_column == sum(item.amount for item in of)
    exact = sum(i.amount * i.commission_bp for i in of if i.kind in ("paid", "refunded", "charged_back"))
    commission_taken = -sum(line.commission for line in lines)
    assert exact - 10_000 * 2 * len(lines) <= commission_taken * 10_000 <= exact
    found = totals(lines, carried)
    assert found.payout + found.carried_out == sum(line.net for line in lines) + carried
    assert found.payout >= 0 >= found.carried_out
    assert found.payout == 0 or found.carried_out == 0


@given(st.integers(0, 10**9), st.integers(0, 10_000))
def test_commission_is_never_more_than_its_share(base: int, bp: int) -> None:
    share = commission(base, bp)
    assert 0 <= share <= base
    assert share * 10_000 <= base * bp < (share + 1) * 10_000


@pytest.mark.parametrize("cell", ["=1+1", "+86", "-1", "@SUM(A1)", "\tx", "＝1"])
def test_no_cell_is_run(cell: str) -> None:
    assert safe(cell).startswith("'")
    assert safe("爱山广场停车库") == "爱山广场停车库"


class TestOverRealTables:
    pytestmark = [pytest.mark.stack, pytest.mark.anyio]

    @pytest.fixture
    async def town(self, session: AsyncSession, sessions: Sessions) -> Town:
        """Stays of this noon: paid by card, by Alipay (and partly paid back), in cash, and not at all."""
        town = Town(sessions, await priced_garage(session))
        await town.commission(500, minute(-10_000))
        card, alipay, cash, _ = [await town.stay(hours) for hours in (2, 3, 4, 5)]
        await town.pay(card, Method.CARD, minute(0))
        await town.pay(alipay, Method.ALIPAY, minute(5))
        await town.pay(cash, Method.CASH, minute(10))
        await town.lower(alipay, 700, minute(15))
        town.provider.keep_books(minute(20))
        await Reconciler(sessions, {"stripe": town.provider}).compare(town.provider, DAY, EVENING)
        return town

    async def close(self, town: Town, until: date = NEXT, now: datetime = EVENING) -> SettlementStatement:
        async with transaction(town.sessions) as session:
            operator = await self.operator(session)
            return await statements.close(session, CHIEF, operator, until, now)

    async def operator(self, session: AsyncSession) -> UUID:
        found = await session.scalar(text("select id from operator"))
        assert isinstance(found, UUID)
        return found

    async def balance(self, session: AsyncSession, kind: AccountKind, name: str = "") -> int:
        of_operator = kind not in (AccountKind.PLATFORM, AccountKind.BANK, AccountKind.FEES)
        operator = await self.operator(session) if of_operator and not name else None
        return await ledger.balance(session, Account(kind, operator, name))

    async def test_its_sums_are_what_was_charged_and_paid(self, town: Town) -> None:
        closed = await self.close(town)
        assert (closed.charged, closed.electronic, closed.cash) == (7_300, 3_000, 2_400)
        assert (closed.refunded, closed.fees) == (-1_100, -60)
        assert closed.commission == -(4_300 * 500 // 10_000)
        assert closed.payout == closed.net == 3_000 - 1_100 - 60 - 215

    async def test_after_it_the_ledger_holds_what_is_left(self, town: Town) -> None:
        closed = await self.close(town)
        async with transaction(town.sessions) as session:
            drivers = await self.balance(session, AccountKind.DRIVER)
            refunds = await self.balance(session, AccountKind.REFUNDS)
            assert await self.balance(session, AccountKind.OPERATOR) == -(drivers + refunds)
            assert drivers == 3_000
            assert await self.balance(session, AccountKind.CASH) == 0
            assert await self.balance(session, AccountKind.FEES, "stripe") == 0
            assert await self.balance(session, AccountKind.PLATFORM) == closed.commission
            assert await self.balance(session, AccountKind.PAYOUT) == -closed.payout
            await statements.transferred(session, TREASURER, closed.id, "ICBC-1", EVENING)
            assert await self.balance(session, AccountKind.PAYOUT) == 0
            assert await self.balance(session, AccountKind.BANK) == -closed.payout

    async def test_its_items_are_the_ledgers_entries(self, town: Town) -> None:
        await self.close(town)
        async with transaction(town.sessions) as session:
            for kind, movements in (
                ("paid", ["payment"]),
                ("refunded", ["refund_done", "refund_failed", "refund_by_hand"]),
                ("charged", ["charge"]),
            ):
                of_items = await session.scalar(
                    text("select sum(amount)::bigint from settlement_item where kind = :kind"), {"kind": kind}
                )
                account = "refunds" if kind == "refunded" else "driver"
                of_ledger = await session.scalar(
                    text(
                        "select sum(e.amount)::bigint from ledger_entry e"
                        " join ledger_movement m on m.id = e.movement_id"
                        " join ledger_account a on a.id = e.account_id"
                        " where m.kind = any(:kinds) and a.kind = :account"
                    ),
                    {"kinds": movements, "account": account},
                )
                assert of_items == (of_ledger if kind == "charged" else -of_ledger)

    async def test_nothing_is_settled_twice_and_what_comes_late_is_in_the_next(self, town: Town) -> None:
        await self.close(town)
        with pytest.raises(InvalidInput):
            await self.close(town)
        with pytest.raises(statements.NothingToSettle):
            await self.close(town, NEXT + timedelta(days=1), EVENING + timedelta(days=1))
        late = await town.stay(2)
        await town.pay(late, Method.CARD, minute(30))  # on the settled day, but booked after it was closed
        second = await self.close(town, NEXT + timedelta(days=1), EVENING + timedelta(days=1))
        assert (second.first_day, second.electronic) == (DAY, 1_200)

    async def test_what_is_closed_is_never_changed(self, town: Town) -> None:
        await self.close(town)
        for statement in (
            "update settlement_statement set payout = payout + 1, net = net + 1",
            "delete from settlement_statement",
            "update settlement_item set amount = amount + 1",
            "update settlement_item set statement_id = null",
            "delete from settlement_item",
        ):
            with pytest.raises(DBAPIError, match="never changed"):
                async with transaction(town.sessions) as session:
                    await session.execute(text(statement))

    async def test_more_taken_back_than_paid_is_carried_and_not_asked_for(self, town: Town) -> None:
        first = await self.close(town)
        dispute = town.provider.bank_takes_back("pi_0")
        async with transaction(town.sessions) as session:
            said = await town.provider.look_at_dispute(dispute)
            assert await dispute_seen(session, "stripe", said, minute(25 * 60))
        two = await self.close(town, NEXT + timedelta(days=1), EVENING + timedelta(days=1))
        assert (two.charged_back, two.payout, two.carried_out) == (-1_200, 0, two.net)
        assert two.commission == 60
        charge = await town.stay(6)
        await town.pay(charge, Method.CARD, minute(49 * 60))
        three = await self.close(town, NEXT + timedelta(days=2), EVENING + timedelta(days=2))
        assert (three.carried_in, three.payout) == (two.carried_out, three.net + two.carried_out)
        async with transaction(town.sessions) as session:
            paid_out = await self.balance(session, AccountKind.PAYOUT)
            assert -paid_out == first.payout + three.payout

    async def test_each_payment_keeps_the_share_of_its_time_and_gives_it_back_with_the_money(
        self, town: Town
    ) -> None:
        """The town has paid at 5 %; what is paid from now on is at 10 %."""
        await town.commission(1_000, minute(16))
        charge = await town.stay(2)
        await town.pay(charge, Method.CARD, minute(20))
        closed = await self.close(town)
        assert closed.commission == -(4_300 * 500 + 1_200 * 1_000) // 10_000
        dispute = town.provider.bank_takes_back("pi_0")  # of 1,200 at 5 %
        async with transaction(town.sessions) as session:
            said = await town.provider.look_at_dispute(dispute)
            assert await dispute_seen(session, "stripe", said, minute(25 * 60))
        await town.lower(charge, 200, minute(25 * 60))  # 1,000 of them at 10 %
        two = await self.close(town, NEXT + timedelta(days=1), EVENING + timedelta(days=1))
        assert (two.charged_back, two.refunded) == (-1_200, -1_000)
        assert two.commission == 1_200 * 500 // 10_000 + 1_000 * 1_000 // 10_000

    async def test_who_closes_does_not_transfer(self, town: Town) -> None:
        closed = await self.close(town)
        async with transaction(town.sessions) as session:
            with pytest.raises(statements.AnotherPersonNeeded):
                await statements.transferred(session, CHIEF, closed.id, "ICBC-1", EVENING)
            await statements.transferred(session, TREASURER, closed.id, "ICBC-1", EVENING)
            with pytest.raises(statements.TransferredAlready):
                await statements.transferred(session, TREASURER, closed.id, "ICBC-1", EVENING)

    @pytest.fixture
    async def client(self, settings: Settings) -> AsyncIterator[AsyncTestClient[Any]]:
        async with client_of(settings) as client:
            yield client

    async def test_exports_have_numbers_and_open_in_a_spreadsheet(
        self, settings: Settings, town: Town, client: AsyncTestClient[Any]
    ) -> None:
        async with transaction(town.sessions) as session:
            await session.execute(
                text("update facility set name = '=HYPERLINK(\"x\")' where code = 'garage'")
            )
            operator = await self.operator(session)
        closed = await self.close(town)
        own = self.bearer(settings, operator)
        address = f"/v1/settlement/statements/{closed.id}/export"
        answer = await client.get(f"{address}/csv", headers=own)
        assert answer.content.startswith(b"\xef\xbb\xbf")
        header, line, total = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
        assert header[:3] == ["停车场", "日期", "应收（元）"]
        assert line[:3] == ['\'=HYPERLINK("x")', "2026-11-20", "73.00"]
        assert (total[0], float(total[-1])) == ("合计", closed.net / 100)
        every = (await client.get(f"{address}/csv?items=true", headers=own)).content.decode("utf-8-sig")
        amounts = [
            float(row["金额（元）"]) for row in csv.DictReader(io.StringIO(every)) if row["类别"] == "实收"
        ]
        assert round(sum(amounts) * 100) == closed.electronic + closed.cash
        book = zipfile.ZipFile(io.BytesIO((await client.get(f"{address}/xlsx", headers=own)).content))
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
        space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
        cells = {cell.get("r"): cell for cell in sheet.iter(f"{space}c")}
        assert cells["C2"].get("t") is None
        assert cells["C2"].findtext(f"{space}v") == "73"
        assert sheet.find(f".//{space}f") is None

    async def test_an_operator_sees_its_own_alone(
        self, settings: Settings, town: Town, client: AsyncTestClient[Any]
    ) -> None:
        closed = await self.close(town)
        others = self.bearer(settings, uuid4())
        assert (await client.get("/v1/settlement/statements", headers=others)).json() == []
        address = f"/v1/settlement/statements/{closed.id}"
        assert (await client.get(address, headers=others)).status_code == 404
        assert (await client.get(f"{address}/export/csv", headers=others)).status_code == 404
        assert (await client.get("/v1/settlement/differences", headers=others)).status_code == 403

    def bearer(self, settings: Settings, operator: UUID) -> dict[str, str]:
        who = Identity(user_id=uuid4(), username="w", role=Role.OPERATOR_STAFF, operator_id=operator)
        return {"Authorization": f"Bearer {issue(who, settings.secret_key, datetime.now(UTC))}"}
