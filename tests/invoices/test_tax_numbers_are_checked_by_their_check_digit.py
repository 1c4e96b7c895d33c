"""A tax number with one slip in it is refused; what is right is accepted however it is written."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from parking_cloud.invoices.tax_numbers import (
    BadTaxNumber,
    TaxNumberKind,
    credit_code_digit,
    identity_number_digit,
    organisation_code_digit,
    parse_tax_number,
)

CREDIT = "0123456789ABCDEFGHJKLMNPQRTUWXY"
DIGITS = "0123456789"

credit_heads = st.builds(
    lambda kind, region, rest: kind + region + rest,
    st.sampled_from(["91", "92", "93", "12", "51", "52", "53", "Y1", "A1", "N1"]),
    st.text(DIGITS, min_size=6, max_size=6),
    st.text(CREDIT, min_size=9, max_size=9),
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("91350100M000100Y43", TaxNumberKind.CREDIT_CODE),
        ("91440300708461136T", TaxNumberKind.CREDIT_CODE),
        (" 9135 0100-M000100y43 ", TaxNumberKind.CREDIT_CODE),
        ("11010519491231002X", TaxNumberKind.PERSON),
        ("11010519491231002X00", TaxNumberKind.PERSON),
        ("440300708461136", TaxNumberKind.OLD),
    ],
)
def test_numbers_in_use(text: str, kind: TaxNumberKind) -> None:
    assert parse_tax_number(text)[1] is kind


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("91350100M000100Y44", "check_digit"),
        ("91350100M000100I43", "shape"),
        ("110105194912310021", "check_digit"),
        ("440300708461137", "check_digit"),
        ("", "shape"),
        ("无", "shape"),
        ("9135", "shape"),
        ("９１３５", "shape"),
        ("91350100M000100Y4" * 2, "shape"),
    ],
)
def test_numbers_that_cannot_be(text: str, why: str) -> None:
    with pytest.raises(BadTaxNumber) as refused:
        parse_tax_number(text)
    assert refused.value.why == why


@given(credit_heads)
def test_every_credit_code_with_its_digit_is_accepted(head: str) -> None:
    code = head + credit_code_digit(head)
    assert parse_tax_number(code.lower()) == (code, TaxNumberKind.CREDIT_CODE)


@given(credit_heads, st.integers(0, 17), st.sampled_from(CREDIT))
def test_one_wrong_character_is_always_noticed(head: str, place: int, wrong: str) -> None:
    """31 is prime and no weight is a multiple of it; only another kind of number could still fit."""
    code = head + credit_code_digit(head)
    slipped = code[:place] + wrong + code[place + 1 :]
    assume(slipped != code)
    assert credit_code_digit(slipped[:17]) != slipped[17]


@given(credit_heads, st.integers(8, 16))
def test_two_neighbours_swapped_are_always_noticed(head: str, place: int) -> None:
    code = head + credit_code_digit(head)
    swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    assume(swapped != code)
    assert credit_code_digit(swapped[:17]) != swapped[17]


@given(st.text(DIGITS, min_size=17, max_size=17))
def test_identity_numbers(head: str) -> None:
    number = head + identity_number_digit(head)
    assert parse_tax_number(number)[0] == number


@given(st.text(DIGITS, min_size=6, max_size=6), st.text(DIGITS + "ABCDEFG", min_size=8, max_size=8))
def test_old_numbers(region: str, organisation: str) -> None:
    number = region + organisation + organisation_code_digit(organisation)
    assert parse_tax_number(number) == (number, TaxNumberKind.OLD)


@given(st.text(max_size=24))
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    try:
        number, _ = parse_tax_number(text)
    except BadTaxNumber:
        return
    assert parse_tax_number(number)[0] == number
