"""Made rows whose faults are known: near-duplicates, personal data, and texts that look like it."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from stdnum import luhn

Maker = Callable[[random.Random], str]

SYLLABLES = [c + v + e for c in "bdfgklmnprstvw" for v in "aeiou" for e in ("", "n", "r", "s")]
SIGNATURE = "Kind regards from your Northwind customer care team, always here to help"


def _vocabulary(size: int) -> list[str]:
    made = random.Random(1)
    found: dict[str, None] = {}
    while len(found) < size:
        found["".join(made.choices(SYLLABLES, k=made.choice((1, 2, 2, 3))))] = None
    return list(found)


VOCABULARY = _vocabulary(6000)
_WEIGHTS = list(accumulate(1 / (rank + 8) for rank in range(len(VOCABULARY))))
"""Few words are frequent and most are rare, as in any language (Zipf)."""


def sentences(draw: random.Random, words: int) -> str:
    """So many words, in sentences of eight to fourteen."""
    said = draw.choices(VOCABULARY, cum_weights=_WEIGHTS, k=words)
    text, start = [], 0
    while start < len(said):
        end = start + draw.randint(8, 14)
        text.append(" ".join(said[start:end]).capitalize() + ".")
        start = end
    return " ".join(text)


def edited(draw: random.Random, text: str) -> str:
    """A near-duplicate: a few words changed, dropped or added, case, punctuation, a signature."""
    kind = draw.choice(("words", "words", "case", "punctuation", "signature"))
    if kind == "case":
        return text.upper() if draw.random() < 0.3 else text.lower()
    if kind == "punctuation":
        return text.replace(". ", draw.choice(("! ", " - ", "; ", ".  "))).rstrip(".")
    if kind == "signature":
        return f"{text}\n\n{SIGNATURE.split(',')[0]} {draw.randint(1, 99)}"
    words = text.split(" ")
    for _ in range(draw.randint(1, 3)):
        place = draw.randrange(len(words))
        change = draw.choice(("other", "gone", "more"))
        if change == "other":
            words[place] = draw.choice(VOCABULARY)
        elif change == "gone":
            del words[place]
        else:
            words.insert(place, draw.choice(VOCABULARY))
    return " ".join(words)


def _digits(draw: random.Random, count: int) -> str:
    return "".join(draw.choices(string.digits, k=count))


def _letters(draw: random.Random, count: int, among: str = string.ascii_letters) -> str:
    return "".join(draw.choices(among, k=count))


def _mail(draw: random.Random) -> str:
    name = draw.choice(("anna.berg", "j_smith", "m-lopez+shop", "info", "Ola99", "t.o.m"))
    host = draw.choice(("example.com", "mail.example.co.uk", "firma.de", "uni-x.edu", "post.io"))
    form = draw.choice(("{}@{}", "{}@{}", "<{}@{}>", "mailto:{}@{}", "{} (at) {}", "{}[at]{}"))
    return form.format(name, host)


def _phone(draw: random.Random) -> str:
    area, front, back = draw.randint(201, 989), draw.randint(200, 999), _digits(draw, 4)
    local = _digits(draw, 5)
    return draw.choice(
        (
            f"({area}) {front}-{back}",
            f"{area}-{front}-{back}",
            f"{area}.{front}.{back}",
            f"+1 {area} {front} {back}",
            f"+1-{area}-{front}-{back} ext. 12",
            f"+1{area}{front}{back}",
            f"call me at {area}{front}{back}",
            f"+49 30 901{local}",
            f"+49 (0)151 234{local}",
            f"030 901{local}",
            f"0151-234{local}",
            f"+44 20 7946 0{back[:3]}",
            f"020 7946 0{back[:3]}",
            f"07700 900{back[:3]}",
            f"+33 1 42 68 {back[:2]} {back[2:]}",
            f"01 42 68 {back[:2]} {back[2:]}",
            f"+91 98765 4{back}",
            f"Tel.: 06221/{local}3",
            f"0044 20 7946 0{back[:3]}",
        )
    )


def _card(draw: random.Random) -> str:
    start, length = draw.choice((("4", 16), ("52", 16), ("34", 15), ("6011", 16), ("37", 15)))
    body = start + _digits(draw, length - len(start) - 1)
    number = body + luhn.calc_check_digit(body)
    if length == 15:
        return draw.choice((number, f"{number[:4]} {number[4:10]} {number[10:]}"))
    parts = [number[place : place + 4] for place in range(0, 16, 4)]
    return draw.choice((number, " ".join(parts), "-".join(parts)))


def _iban(draw: random.Random) -> str:
    country, bank = draw.choice(
        (
            ("DE", _digits(draw, 18)),
            ("GB", f"NWBK{_digits(draw, 14)}"),
            ("NL", f"ABNA{_digits(draw, 10)}"),
        )
    )
    plain = "".join(str(int(one, 36)) for one in f"{bank}{country}00")
    number = f"{country}{98 - int(plain) % 97:02}{bank}"
    spaced = " ".join(number[place : place + 4] for place in range(0, len(number), 4))
    return draw.choice((number, spaced, spaced.lower()))


def _account(draw: random.Random) -> str:
    return draw.choice(
        (
            _iban(draw),
            _iban(draw),
            f"account number {_digits(draw, 9)}",
            f"account no. {_digits(draw, 8)}",
            f"routing number: 0210{_digits(draw, 5)}",
            f"SSN {draw.randint(101, 660)}-{draw.randint(10, 99)}-{draw.randint(1000, 9999)}",
            f"Kontonummer {_digits(draw, 10)}",
            f"sort code {_digits(draw, 2)}-{_digits(draw, 2)}-{_digits(draw, 2)}",
        )
    )


def _key(draw: random.Random) -> str:
    alphabet = string.ascii_letters + string.digits
    return draw.choice(
        (
            f"sk-{_letters(draw, 40, alphabet)}",
            f"sk_live_{_letters(draw, 24, alphabet)}",
            f"ghp_{_letters(draw, 36, alphabet)}",
            f"AKIA{_letters(draw, 16, string.ascii_uppercase + string.digits)}",
            f"AIza{_letters(draw, 35, alphabet)}",
            f"xoxb-{_digits(draw, 12)}-{_letters(draw, 20, alphabet)}",
            f"hf_{_letters(draw, 34)}",
            f"api_key = '{_letters(draw, 30, alphabet)}7a'",
            f"token: {_letters(draw, 38, alphabet)}9z",
            f"password: {_letters(draw, 6)}{_digits(draw, 2)}!",
            f"eyJhbGciOiJIUzI1NiJ9.eyJ{_letters(draw, 30)}.{_letters(draw, 40, alphabet)}",
            "-----BEGIN PRIVATE KEY-----\nMIIEvQ\nabc\n-----END PRIVATE KEY-----",
            f"postgres://app:{_letters(draw, 10)}@db.example.com/shop",
        )
    )


def _ip(draw: random.Random) -> str:
    part = [draw.randint(1, 223), *(draw.randint(0, 255) for _ in range(3))]
    part[0] += part[0] == 127
    four = ".".join(map(str, part))
    six = ":".join(f"{draw.randint(1, 65535):x}" for _ in range(5))
    return draw.choice(
        (four, f"{four}:8080", f"IP {four}", f"2001:db8::{six}", f"2001:db8:1:{six}")
    )


PERSONAL: dict[str, Maker] = {
    "email": _mail,
    "phone": _phone,
    "card": _card,
    "account": _account,
    "key": _key,
    "ip": _ip,
}

HARMLESS: Sequence[Maker] = (
    lambda d: f"order {_digits(d, 10)}",
    lambda d: f"Order #{_digits(d, 3)}-{_digits(d, 7)}-{_digits(d, 7)}",
    lambda d: f"20{d.randint(10, 29)}-{d.randint(1, 12):02}-{d.randint(1, 28):02}",
    lambda d: f"{d.randint(1, 28):02}.{d.randint(1, 12):02}.2024 at {d.randint(0, 23):02}:30",
    lambda d: f"{d.randint(1, 12)}/{d.randint(1, 28)}/2023",
    lambda d: f"2024-05-{d.randint(10, 28)}T10:{d.randint(10, 59)}:30.{_digits(d, 6)}Z",
    lambda d: f"${d.randint(1, 9)},{_digits(d, 3)},{_digits(d, 3)}.{_digits(d, 2)}",
    lambda d: f"{d.randint(100, 9999)}.{_digits(d, 2)} EUR",
    lambda d: (
        f"version {d.randint(1, 20)}.{d.randint(0, 20)}.{d.randint(0, 99)}.{d.randint(0, 99)}"
    ),
    lambda d: f"v{d.randint(1, 9)}.{d.randint(0, 30)}.{d.randint(0, 30)}",
    lambda d: f"ISBN 978-3-16-{_digits(d, 6)}-{_digits(d, 1)}",
    lambda d: f"ISBN 0-{_digits(d, 3)}-{_digits(d, 5)}-{_digits(d, 1)}",
    lambda d: f"978{_digits(d, 10)}",
    lambda d: f"model SM-G{_digits(d, 3)}B/DS",
    lambda d: f"iPhone {d.randint(8, 16)} Pro Max 256 GB",
    lambda d: f"17{_digits(d, 11)} ms",
    lambda d: f"tracking 1Z999AA1{_digits(d, 10)}",
    lambda d: f"invoice 2024-{_digits(d, 6)}",
    lambda d: f"ticket {_digits(d, 8)}",
    lambda d: f"RMA {_digits(d, 10)}",
    lambda d: f"EAN 40063813{_digits(d, 5)}",
    lambda d: f"from {d.randint(6, 9):02}:00 to {d.randint(15, 20)}:30",
    lambda d: f"{d.randint(10, 99)} 000 000 units",
    lambda d: f"3.{_digits(d, 14)}",
    lambda d: f"lat {d.randint(10, 80)}.{_digits(d, 4)} lon {d.randint(10, 80)}.{_digits(d, 4)}",
    lambda d: f"@{_letters(d, 8)} wrote std::vector<int> a::b",
    lambda d: "the token is refreshed after authentication, the password must be long",
    lambda d: f"commit {_letters(d, 40, '0123456789abcdef')}",
    lambda d: f"2019-2021, seasons 2022/2023 and pages {d.randint(10, 99)}-{d.randint(100, 999)}",
    lambda d: (
        f"RTX {d.randint(2, 5)}0{d.randint(5, 9)}0 with {d.randint(8, 24)} GB at 1000-1200 MHz"
    ),
)


@dataclass(slots=True)
class Plan:
    """Rows as (question, answer), and by place in them what was planted."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    near: dict[int, int] = field(default_factory=dict)
    """Place of a near-duplicate: place of what it is one of."""
    personal: dict[int, tuple[str, str]] = field(default_factory=dict)
    """(kind, what was written)."""


def planted(seed: int, rows: int, *, near: float = 0.05, personal: float = 0.1) -> Plan:
    """So many rows of 300 to 600 characters; shares of near-duplicates and of personal data.

    Half of the rows without personal data have something that looks like it.
    """
    draw = random.Random(seed)
    plan = Plan()
    kinds = list(PERSONAL)
    for place in range(rows):
        if place > 10 and draw.random() < near:
            first = draw.randrange(place)
            if first not in plan.near and first not in plan.personal:
                plan.near[place] = first
                plan.rows.append(_edit_one(draw, plan.rows[first]))
                continue
        question, answer = (sentences(draw, draw.randint(15, 30)) for _ in range(2))
        if draw.random() < personal:
            kind = draw.choice(kinds)
            value = PERSONAL[kind](draw)
            plan.personal[place] = kind, value
            question = f"{question} {value} {draw.choice(VOCABULARY)}"
        elif draw.random() < 0.5:
            question = f"{question} {draw.choice(HARMLESS)(draw)} {draw.choice(VOCABULARY)}"
        plan.rows.append((question, answer))
    return plan


def _edit_one(draw: random.Random, row: tuple[str, str]) -> tuple[str, str]:
    question, answer = row
    if draw.random() < 0.5:
        return edited(draw, question), answer
    return question, edited(draw, answer)
