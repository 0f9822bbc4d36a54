"""Personal data with a structure: found by shape, confirmed by checksum or context, masked.

Kinds: e-mail addresses, telephone numbers, payment cards (Luhn and issuer), bank accounts (IBAN by
its checksum; others, and US social security numbers, by the words before), keys and passwords,
network addresses. Names of people have no structure: without a language model no library finds
them reliably, so they are NOT looked for here, and the report says so.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from stdnum import iban, luhn

from rlhf.data.cleaning.phones import phones

Span = tuple[int, int]

NAMES_ARE_NOT_FOUND = (
    "Names of people and postal addresses are not looked for: no library finds them reliably "
    "without a model. Read a sample before you share the data."
)

_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:sk|pk|rk)[-_](?:live|test|ant|proj|or|svcacct)[-_][A-Za-z0-9_-]{16,}"
    r"|\bsk-[A-Za-z0-9]{20,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{22,}|\bglpat-[\w-]{20,}"
    r"|\bxox[abeoprs]-[\w-]{10,}|\bxapp-[\w-]{20,}"
    r"|\b(?:AKIA|ASIA|AGPA|AIDA|AROA)[0-9A-Z]{16}\b"
    r"|\bAIza[\w-]{35}|\bya29\.[\w-]{20,}|\bGOCSPX-[\w-]{20,}"
    r"|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"
    r"|\bSG\.[\w-]{16,}\.[\w-]{16,}|\bhf_[A-Za-z]{30,}|\bnpm_[A-Za-z0-9]{36}|\bpypi-[\w-]{40,}"
    r"|\bwhsec_[A-Za-z0-9]{20,}|\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|\bdo[oprt]_v1_[a-f0-9]{64}|\bdapi[a-f0-9]{32}"
    r"|\bkey-[a-f0-9]{32}\b|\b\d{8,10}:AA[\w-]{33}|\bAC[a-f0-9]{32}\b|\bSK[a-f0-9]{32}\b"
    r"|\bhooks\.slack\.com/services/[\w/]{20,}",
    re.DOTALL,
)
_KEY_HINT = re.compile(
    r"PRIVATE KEY|[sprk]k[-_]|gh[pousr]_|github_pat|glpat|xox|xapp|A[KSGIR][IPDO]A|AIza|ya29|GOCSPX"
    r"|eyJ|SG\.|hf_|npm_|pypi-|whsec_|shp|do[oprt]_v1|dapi|key-|:AA|AC[a-f0-9]|SK[a-f0-9]|hooks\."
)
_NAMED_KEY = re.compile(
    r"\b(?:api[ _-]?(?:key|token)"
    r"|(?:access|account|auth|secret|client|bearer|private|refresh|session)[ _-]?"
    r"(?:key|token|secret|id_token)"
    r"|(?:aws_)?secret(?:_access)?[ _]?key|token|secret|bearer)"
    r"\b[\"']?[ ]?(?:is|was|[:=]|=>)?[ ]?[\"'`]?(?P<value>[A-Za-z0-9+/=_.~-]{16,})",
    re.IGNORECASE,
)
_PASSWORD = re.compile(
    r"\b(?:pass(?:word|wd|wort|phrase)?|pwd)[\"']?(?:[ ]?[:=][ ]?| (?:is|was|ist) )[\"'`]?"
    r"(?P<value>[^\s\"'`,;<>]{6,})"
    r"|(?<=://)[^\s/:@]{1,64}:(?P<login>[^\s/:@]{3,64})(?=@)",
    re.IGNORECASE,
)
_KEY_NAMES = ("key", "token", "secret", "bearer")
_PASSWORD_NAMES = ("pass", "pwd", "://")
"""What stands in every text in which the two expressions above find something."""
_WORDS = re.compile(r"[^\W\d]+(?:[.()\[\]-][^\W\d]*)*")
"""Letters alone, or an expression of a program (`os.environ`): no password that one can tell."""
_MAIL = re.compile(
    r"(?<![\w.+%-])[\w.!#$%&'*+/=?^`{|}~-]{0,63}[\w+-]@(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}(?![\w-]*@)"
    r"|(?<![\w.])[\w.+-]{1,64} ?[\[({](?:at|@)[\])}] ?[\w-]{1,63}"
    r"(?: ?(?:\.|[\[({](?:dot|\.)[\])}]) ?[\w-]{1,63}){1,4}"
    r"|(?<![\w.])[\w.+-]{1,64} at [\w-]{2,63} dot (?:com|org|net|edu|de|co|io)\b",
    re.IGNORECASE,
)
_MAIL_HINT = re.compile(r"@|[\[({]at[\])}]| dot ", re.IGNORECASE)
_NOT_MAIL = re.compile(r"git@|.*\.(?:png|jpe?g|gif|svg|webp|css|js)\Z", re.IGNORECASE)
_CARD = re.compile(r"(?<![\w-])(?<!\d\.)\d(?:[ -]?\d){12,18}(?![\w]|-\d|[.,]\d)")
_ISSUER = re.compile(
    r"4(?:\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|(?:6011|65|64[4-9])\d{12,15}"
    r"|3(?:0[0-5]|[689])\d{11}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}"
    r"|(?:50|5[6-9]|63|67)\d{10,17}"
)
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}", re.IGNORECASE)
_IBANS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 "
    "EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 "
    "IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 "
    "NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SD18 SE24 SI19 SK24 SM27 ST25 SV28 "
    "TL23 TN24 TR26 UA29 VA22 VG24 XK20"
)
_IBAN_LENGTHS = {one[:2]: int(one[2:]) for one in _IBANS.split()}
"""Characters by country, from the registry of SWIFT."""
_ACCOUNT = re.compile(
    r"\b(?:(?:bank )?(?:account|acct|a/c)(?: (?:number|no|nr|num))?|routing(?: (?:number|no))?|aba"
    r"|sort[ -]?code|kontonummer|konto(?:-?nr)?|blz|bankleitzahl|iban|ssn|social security"
    r"(?: (?:number|no))?|acc(?:ount)? no)\b"
    r"\.?(?: ?(?:is|was|ending|:|#|=|\()){0,3} ?(?P<value>\d(?:[ -]?\d){5,17})(?!\w|[.,/:]\d)",
    re.IGNORECASE,
)
_DATE = re.compile(r"(?:19|20)\d\d[ -]\d\d?[ -]\d\d?|\d\d?[ -]\d\d?[ -](?:19|20)\d\d")
_SOCIAL = re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
_IPV6 = re.compile(
    r"(?<![\w:.])(?=[0-9a-f:]*\d)(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.I
)
_IS_VERSION = re.compile(
    r"(?:\bv|versions?|release|build|firmware|driver|chapter|section|clause|paragraph|schema|oid"
    r"|\u00a7|patch|>=?|<=?|==|~="
    r"|(?:updat|upgrad|downgrad|migrat)\w* (?:\w+ )?(?:from|to))[ :=v]{0,3}$",
    re.IGNORECASE,
)
_IS_VERSION_AFTER = re.compile(
    r"[ -](?:(?:alpha|beta|rc|release|build|update)\b|\((?:19|20)\d\d)", re.IGNORECASE
)
_IP_WORD = re.compile(r"\b(?:ip|address|host|server|ping|ssh)\b", re.IGNORECASE)
_DIGITS = re.compile(r"\d")

SHORTEST_GROUP = 4
"""Digits between the blanks of a card's number; a column of figures has fewer."""
RANDOM_BITS = 3.0
"""Shannon entropy per character from which a value is taken for a key and not for a word."""


@dataclass(frozen=True, slots=True)
class Found:
    """One value and where it stands."""

    kind: str
    start: int
    end: int


def find(text: str, kinds: frozenset[str] | None = None) -> list[Found]:
    """Personal data in a text, from left to right, without overlaps.

    Where two kinds claim the same place, the one that is named first in FINDERS has it.
    """
    taken: list[Found] = []
    covered = bytearray(len(text))
    digits = len(_DIGITS.findall(text))
    for kind, (hint, finder) in FINDERS.items():
        if (kinds is None or kind in kinds) and hint(text, digits):
            for start, end in finder(text):
                if not any(covered[start:end]):
                    covered[start:end] = b"\x01" * (end - start)
                    taken.append(Found(kind, start, end))
    return sorted(taken, key=lambda one: one.start)


class Mask:
    """Gives the values of one row their placeholders: the same value, the same placeholder."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._counts: Counter[str] = Counter()
        self.masked: Counter[str] = Counter()
        """How often each kind was masked in the row."""

    def apply(self, text: str, found: list[Found]) -> str:
        """The text with `[email]`, `[email-2]` and so on in the place of what was found."""
        parts, end = [], 0
        for one in found:
            parts += [text[end : one.start], self._name(one.kind, text[one.start : one.end])]
            end = one.end
            self.masked[one.kind] += 1
        return "".join([*parts, text[end:]])

    def _name(self, kind: str, value: str) -> str:
        plain = "".join(filter(str.isalnum, value.casefold()))
        if (kind, plain) not in self._names:
            self._counts[kind] += 1
            count = self._counts[kind]
            self._names[kind, plain] = f"[{kind}]" if count == 1 else f"[{kind}-{count}]"
        return self._names[kind, plain]


def _keys(text: str) -> Iterator[Span]:
    plain = text.lower()
    if _KEY_HINT.search(text):
        yield from (found.span() for found in _KEY.finditer(text))
    for found in _NAMED_KEY.finditer(text) if _names(plain, _KEY_NAMES) else ():
        if _is_random(found["value"]):
            yield found.span("value")
    for found in _PASSWORD.finditer(text) if _names(plain, _PASSWORD_NAMES) else ():
        if found["login"]:
            yield found.span("login")
        elif not _WORDS.fullmatch(found["value"]):
            yield found.span("value")


def _names(plain: str, any_of: tuple[str, ...]) -> bool:
    return any(one in plain for one in any_of)


def _is_random(value: str) -> bool:
    """Whether a value mixes letters and digits without any order, as keys do and words do not."""
    counts = Counter(value)
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    return bits >= RANDOM_BITS and any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def _mails(text: str) -> Iterator[Span]:
    for found in _MAIL.finditer(text):
        if not _NOT_MAIL.match(found[0]):
            yield found.span()


def _cards(text: str) -> Iterator[Span]:
    for found in _CARD.finditer(text):
        groups = re.split("[ -]", found[0])
        number = "".join(groups)
        grouped = all(len(one) >= SHORTEST_GROUP for one in groups[:-1])
        if grouped and _ISSUER.fullmatch(number) and len(set(number)) > 1 and luhn.is_valid(number):
            yield found.span()


def _accounts(text: str) -> Iterator[Span]:
    for found in _IBAN.finditer(text):
        length = _iban_length(found[0])
        if length:
            yield found.start(), found.start() + length
    for found in _ACCOUNT.finditer(text):
        if not _DATE.fullmatch(found["value"]):
            yield found.span("value")
    yield from (found.span() for found in _SOCIAL.finditer(text))


def _iban_length(written: str) -> int:
    """Characters of the IBAN that `written` begins with, blanks included; 0 where it has none."""
    length = _IBAN_LENGTHS.get(written[:2].upper(), 0)
    ends = [place + 1 for place, one in enumerate(written) if one.isalnum()]
    if not 0 < length <= len(ends):
        return 0
    end = ends[length - 1]
    return end if iban.is_valid(written[:end], check_country=False) else 0


def _networks(text: str) -> Iterator[Span]:
    for found in _IPV4.finditer(text):
        before = text[max(0, found.start() - 32) : found.start()]
        version = _IS_VERSION.search(before) or _IS_VERSION_AFTER.match(text, found.end())
        if _is_address(found[0]) and (not version or _IP_WORD.search(before)):
            yield found.span()
    if "::" in text or text.count(":") >= 7:
        for found in _IPV6.finditer(text):
            if len(found[0]) >= 6 and _is_address(found[0]):
                yield found.span()


def _is_address(written: str) -> bool:
    """Whether it is the address of one machine other than one's own."""
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return False
    told = address.is_loopback or address.is_unspecified or address.is_multicast
    return not told and not written.startswith(("255.", "0."))


FINDERS: Mapping[str, tuple[Callable[[str, int], bool], Callable[[str], Iterator[Span]]]] = {
    "key": (lambda text, digits: True, _keys),
    "email": (lambda text, digits: _MAIL_HINT.search(text) is not None, _mails),
    "account": (lambda text, digits: digits >= 6, _accounts),
    "card": (lambda text, digits: digits >= 12, _cards),
    "ip": (lambda text, digits: digits >= 2 and ("." in text or ":" in text), _networks),
    "phone": (lambda text, digits: digits >= 7, phones),
}
"""Per kind: whether it is worth looking, told the text and its number of digits, and the finder."""
