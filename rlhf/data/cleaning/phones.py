"""Telephone numbers among all the other numbers that people write.

The shape proposes and `phonenumbers` decides: a leading + needs a possible number, a national one
a valid one; digits without a form are a number to call only where the words before say so.
Orders, dates, prices, versions and book numbers have shapes of their own and are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import phonenumbers

REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "CH", "AT", "AU", "IN", "BR", "RU", "JP")
"""Whose national forms are known; a number with + or 00 is known from everywhere."""

_SEPARATOR = r"[ .\-/\u2010-\u2013]"
_CANDIDATE = re.compile(
    r"(?<![\w.,@#$\u20ac\u00a3/=&?%+-])"
    r"(?!0[.,]\d|\((?:19|20)\d\d\))(?P<number>(?:\+|00(?=[1-9])|\(\+?\d{1,4}\)[ -]?|\d)"
    rf"(?:{_SEPARATOR}{{0,2}}\(?\d\)?){{6,16}})"
    r"(?P<extension>[ ,]{0,2}(?:x|ext\.?|extension)[ .]?\d{1,6})?"
    r"(?![\w%\u20ac]|[.,:/-]\d|-\w)",
    re.IGNORECASE,
)
_JOINED = r"(?:[ ]?(?:number|no|nr|num|is|at|on|under|is:|me|us|back|:|\.|#|=|-|\(|,)){0,4}[ ]?$"
_NOUN = (
    r"(?:phones?|telephone|telefon(?:nummer)?|t\u00e9l\u00e9phone|tel\u00e9fono|tel(?:\.?nr)?|mobile?"
    r"|mob|cell(?:phone)?|landline|fax|fon|ph|whatsapp|handy|hotline|callback|my number"
    r"|number is)"
)
_NAMED = re.compile(rf"\b{_NOUN}\b{_JOINED}", re.IGNORECASE)
_ASKED = re.compile(
    rf"\b(?:{_NOUN}|signal|sms|text|call(?:ed|ing)?(?: (?:me|us|him|her|back))?|ring me|dial"
    rf"|reach(?: (?:me|us))?|contact(?: (?:me|us))?)\b{_JOINED}",
    re.IGNORECASE,
)
_NEARBY = re.compile(
    rf"\b(?:{_NOUN}|call(?: (?:me|us|back))|reach (?:me|us|our|him|her))\b", re.IGNORECASE
)
_OTHERWISE = re.compile(
    r"\b(?:order|invoice|ticket|case|ref(?:erence)?|tracking|parcel|shipment|isbn|issn|sku|model"
    r"|serial|version|build|id|code|article|item|part|account|customer|policy|contract"
    r"|transaction|batch|lot|imei|ean|upc|asin|bestellnummer|patent|doi|page|chapter|section"
    r"|date|timestamp|rfc)s?\b"
    r"(?:[ ]?(?:number|no|nr|num|is|was|id|code|from|of|:|\.|#|=|-|\()){0,4}[ ]?$",
    re.IGNORECASE,
)
_AMERICAN = re.compile(
    r"(?:\+?1[ .-]?)?(?:\(\d{3}\)[ ]?\d{3}[ .-]|\d{3}[.-]\d{3}[ .-]"
    r"|(?:555[ /]\d{3}|[2-9]\d\d[ /][2-9]\d\d)[ -])\d{4}"
)
"""Ten digits in their usual groups; between blanks alone, both groups as they are given out."""
_DATE = re.compile(
    r"(?:19|20)\d\d[ .\-/](?:0?[1-9]|1[0-2])[ .\-/](?:0?[1-9]|[12]\d|3[01])\b"
    r"|(?:0?[1-9]|[12]\d|3[01])[ .\-/](?:0?[1-9]|[12]\d|3[01])[ .\-/](?:19|20)\d\d\b"
    r"|(?:19|20)\d\d ?[-/\u2013] ?(?:19|20)\d\d\b"
)
_POSTCODE = re.compile(r"\d{5}-\d{4}")
_CLOSED_AREA = re.compile(r"\(\d{2,5}\)")
_BOOK = re.compile(r"97[89][ -]?(?:\d[ -]?){9}\d")
_SINGLES = re.compile(r"(?:\b\d\b[ .,/-]?){3}")
"""Three digits that stand alone: somebody counts."""
FEWEST = 9
"""Digits of a number that nothing but a word nearby announces, or nothing at all but its form;
opening hours have 8."""
_BEFORE, _AFTER = 48, 28
"""Characters around a number in which the words that explain it are looked for."""


def phones(text: str) -> Iterator[tuple[int, int]]:
    """Where the telephone numbers stand, as (start, end)."""
    for found in _CANDIDATE.finditer(text):
        before = text[max(0, found.start() - _BEFORE) : found.start()]
        if _is_phone(found["number"], before, text[found.end() : found.end() + _AFTER]):
            yield found.span()


def _is_phone(number: str, before: str, after: str) -> bool:
    digits = "".join(filter(str.isdecimal, number))
    if not 7 <= len(digits) <= 15 or any(one.fullmatch(number) for one in (_BOOK, _POSTCODE)):
        return False
    if _DATE.match(number):
        return False
    plain = number.isdecimal()
    asked = _asked(before, after, len(digits), plain)
    if not asked and _OTHERWISE.search(before):
        return False
    if number.startswith(("+", "(+")):
        return _is_possible("+" + digits)
    if asked or _AMERICAN.fullmatch(number):
        return True
    if plain or _SINGLES.search(number):
        return False
    if number.startswith("00"):
        return _is_possible("+" + digits[2:])
    formed = number.startswith(("0", "(")) or _CLOSED_AREA.search(number) is not None
    return formed and len(digits) >= FEWEST and _is_valid_somewhere(number)


def _asked(before: str, after: str, digits: int, plain: bool) -> bool:
    """Whether the words around a number say that it is one to call."""
    if _NAMED.search(before):
        return True
    if plain and digits < FEWEST:
        return False
    if _ASKED.search(before):
        return True
    around = _NEARBY.search(before) or _NEARBY.search(after)
    return plain and around is not None and not _OTHERWISE.search(before)


def _is_possible(number: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return False


def _is_valid_somewhere(number: str) -> bool:
    for region in REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(number, region)):
                return True
        except phonenumbers.NumberParseException:
            return False
    return False
