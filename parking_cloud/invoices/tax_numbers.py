"""Tax numbers (纳税人识别号) that an invoice may carry, told by their check digits.

| length | what | checked by |
|---|---|---|
| 18 | unified social credit code (统一社会信用代码, GB 32100-2015) | mod 31 |
| 18 | a person's identity number (GB 11643-1999) | mod 11-2 (ISO 7064) |
| 15 | old tax registration: 6 digits of a region, then an organisation code (GB 11714-1997) | mod 11 |
| 17, 20 | a person's identity number of 15 or 18 digits, and two characters more | as far as it can be |

A number with a wrong check digit is a slip of the pen: the invoice would be worthless to its receiver. So
it is refused with the place to look at. What has no check digit is accepted for its shape.
"""

from __future__ import annotations

import re
from enum import StrEnum

_CREDIT_CODE = re.compile(r"[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}", re.ASCII)
_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_ORGANISATION = re.compile(r"[0-9A-Z]{8}[0-9X]", re.ASCII)
_OLD = re.compile(r"\d{6}[0-9A-Z]{8}[0-9X]", re.ASCII)
_PERSON = re.compile(r"\d{17}[0-9X]", re.ASCII)
_OLD_PERSON = re.compile(r"\d{15}[0-9A-Z]{2}", re.ASCII)
_PERSON_AND_TWO = re.compile(r"\d{17}[0-9X][0-9A-Z]{2}", re.ASCII)
_WEIGHTS = [3, 7, 9, 10, 5, 8, 4, 2]


class TaxNumberKind(StrEnum):
    CREDIT_CODE = "credit_code"
    OLD = "old"
    PERSON = "person"


class BadTaxNumber(ValueError):
    """It cannot be a tax number; `why` is `shape` or `check_digit`."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def parse_tax_number(text: str) -> tuple[str, TaxNumberKind]:
    """The number, tidied, and what it is. Raises BadTaxNumber."""
    number = re.sub(r"[\s-]", "", text).upper()
    if len(number) == 18:
        return number, _of_18(number)
    if _OLD.fullmatch(number):
        if not organisation_code_holds(number[6:]):
            raise BadTaxNumber("check_digit")
        return number, TaxNumberKind.OLD
    if _PERSON_AND_TWO.fullmatch(number):
        if not identity_number_holds(number[:18]):
            raise BadTaxNumber("check_digit")
        return number, TaxNumberKind.PERSON
    if _OLD_PERSON.fullmatch(number):
        return number, TaxNumberKind.PERSON
    raise BadTaxNumber("shape")


def _of_18(number: str) -> TaxNumberKind:
    fits = False
    if _CREDIT_CODE.fullmatch(number):
        fits = True
        if credit_code_holds(number):
            return TaxNumberKind.CREDIT_CODE
    if _PERSON.fullmatch(number):
        fits = True
        if identity_number_holds(number):
            return TaxNumberKind.PERSON
    raise BadTaxNumber("check_digit" if fits else "shape")


def credit_code_digit(first_17: str) -> str:
    """The check character of a unified social credit code: weights are powers of 3 modulo 31."""
    total = sum(_CREDIT_ALPHABET.index(char) * pow(3, place, 31) for place, char in enumerate(first_17))
    return _CREDIT_ALPHABET[-total % 31]


def organisation_code_digit(first_8: str) -> str:
    """The check character of an organisation code: 11 less the weighted sum modulo 11; 10 is X, 11 is 0."""
    total = sum(int(char, 36) * weight for char, weight in zip(first_8, _WEIGHTS, strict=True))
    digit = -total % 11
    return "X" if digit == 10 else str(digit)


def identity_number_digit(first_17: str) -> str:
    """The check character of an identity number: weights are powers of 2 modulo 11, from the right."""
    total = sum(int(char) * pow(2, 17 - place, 11) for place, char in enumerate(first_17))
    digit = (1 - total) % 11
    return "X" if digit == 10 else str(digit)


def credit_code_holds(number: str) -> bool:
    """True where its own check character fits. The organisation code inside has one too; some codes that were
    issued break that one, so it is not asked for."""
    return credit_code_digit(number[:17]) == number[17]


def organisation_code_holds(code: str) -> bool:
    return bool(_ORGANISATION.fullmatch(code)) and organisation_code_digit(code[:8]) == code[8]


def identity_number_holds(number: str) -> bool:
    return identity_number_digit(number[:17]) == number[17]
