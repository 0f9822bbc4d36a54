"""Personal data with a structure is found in many forms; numbers that look like it stay."""

from __future__ import annotations

import random

import pytest

from rlhf.data.cleaning.privacy import FINDERS, Mask, find
from tests.rlhf.data.cleaning.planted import HARMLESS, PERSONAL, VOCABULARY, sentences

ROUNDS = 600

WRITTEN = {
    "email": ["x@y.io", "write to JOHN_D@EXAMPLE.COM.", "jane (at) example (dot) org"],
    "phone": [
        "1-800-555-0199",
        "001-555-123-4567x1234",
        "Phone no. 06221/123456",
        "my mobile is 5551234567",
        "+49 (0)30 1234567",
        "(0)30 901 82020",
        "You can reach our desk on weekdays at 5551234567",
        "0612345678 is my phone number",
        "(11) 91234-5678",
        "555 123 4567",
    ],
    "card": ["4111 1111 1111 1111", "3782 822463 10005", "5500-0000-0000-0004", "30569309025904"],
    "account": ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "SSN 123-45-6789"],
    "key": ["postgres://bob:s3cretpw@db.example.com/x", "my password is hunter22"],
    "ip": ["from 203.0.113.5", "8.8.8.8:53", "2001:db8::ff00:42:8329", "ssh root@10.0.0.3"],
}

HARMLESS_TOO = [
    "order 4111 1111 1111 1112",
    "127.0.0.1 and 0.0.0.0 are here",
    "upgrade from 2.3.4.5 to version 10.0.19041.1",
    "git@github.com:org/repo.git",
    "opening hours 0800-1600",
    "ISBN 978-3-16-148410-0",
    "IMEI 356938035643809",
    "12 30 45 60 75 90 out of 1 000 000 000",
    "password = os.environ",
    "0 1 2 3 4 5 6 7 8 9",
    "Fifth Floor, Boston, MA 02110-1301 USA",
    "version 2.6.2.1, then 2.6.2.2 (2023-08-20) and 2.0 (2019-12-31)",
    "15 25 80 48 69 63 39 16 45 6 77 14 46 38 15 64 85 49 5 59 28 9 4 23",
    "my phone broke, order 4829104821 please, customer number 5551234567",
    "we sold 5551234567 units since 1 (800) pages came, in (2019) 2020 2021",
    "account 2024-12-01, card 1234-5678-9012-3456",
    "the password is wrong, my password: what do I do",
    "C++ std::vector<int> and a::b",
    "the meeting is at 10:15:30 UTC+01:00",
]


def around(draw: random.Random, value: str) -> str:
    return f"{sentences(draw, 8)} {value} {draw.choice(VOCABULARY)}."


@pytest.mark.parametrize("kind", PERSONAL)
def test_planted_personal_data_is_found(kind: str) -> None:
    draw = random.Random(5)
    texts = [around(draw, PERSONAL[kind](draw)) for _ in range(ROUNDS)]
    found = sum(any(one.kind == kind for one in find(text)) for text in texts)
    assert found / ROUNDS >= 0.95


def test_clean_rows_raise_hardly_any_false_alarm() -> None:
    draw = random.Random(6)
    texts = [around(draw, draw.choice(HARMLESS)(draw)) for _ in range(4 * ROUNDS)]
    assert sum(bool(find(text)) for text in texts) / len(texts) <= 0.01


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in WRITTEN.items() for text in texts]
)
def test_forms_that_people_write_are_found(kind: str, text: str) -> None:
    assert kind in {one.kind for one in find(text)}


@pytest.mark.parametrize("text", HARMLESS_TOO)
def test_numbers_with_another_meaning_are_left_alone(text: str) -> None:
    assert find(text) == []


def test_the_same_value_has_the_same_placeholder_and_another_its_own() -> None:
    mask = Mask()
    texts = ["Mail a@b.com or c@d.org.", "As I said: A@B.com, or call (555) 123-4567"]
    masked = [mask.apply(text, find(text)) for text in texts]
    assert masked == ["Mail [email] or [email-2].", "As I said: [email], or call [phone]"]
    assert mask.masked == {"email": 3, "phone": 1}


def test_nothing_of_an_iban_is_left_and_nothing_of_the_next_word_is_taken() -> None:
    text = "Pay to DE89370400440532013000 please"
    assert Mask().apply(text, find(text)) == "Pay to [account] please"


def test_a_private_key_goes_as_a_whole() -> None:
    text = "use -----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY----- now"
    assert Mask().apply(text, find(text)) == "use [key] now"


def test_kinds_that_are_not_asked_for_are_not_looked_for() -> None:
    text = "a@b.com, 203.0.113.5"
    assert [one.kind for one in find(text, frozenset({"ip"}))] == ["ip"]
    assert {one.kind for one in find(text)} <= FINDERS.keys()
