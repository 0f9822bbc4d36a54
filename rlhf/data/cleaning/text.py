"""One text made whole: mojibake undone, one form for characters, line ends and blanks, and no
chat template's tokens inside.

Every function returns the same object where there is nothing to do, which is most of the time.
"""

from __future__ import annotations

import re
import unicodedata

import ftfy
from ftfy.badness import is_bad

REPAIR = ftfy.TextFixerConfig(
    unescape_html=False,
    remove_terminal_escapes=True,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    remove_control_chars=False,
    normalization=None,
    explain=False,
)
"""What was broken is mended; what people wrote on purpose, such as curly quotes, stays."""

_BROKEN = re.compile("[\u0080-\u009f\ufffd\x1b]")
"""C1 controls, replacement characters and terminal escapes: never written on purpose."""
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{2,5}|#x[0-9a-fA-F]{2,4});")
_MARKUP = re.compile("[<`]")
"""A text with tags or code may speak of entities."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064"
    "\u2066-\u2069\ufeff\ufff9-\ufffb]"
    r"|(?<=[!-~])[\u200c\u200d]|[\u200c\u200d](?=[!-~])"
)
"""Control, zero-width and direction characters. The two joiners (U+200C, U+200D) belong to emoji
and to Persian and Indian words, and go beside ASCII alone."""
_BLANK = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f]")
_LINE_END = re.compile("\r\n?|\u0085|\u2028|\u2029")
_TRAILING = re.compile(r"(?<![ \t])[ \t]+(?=\n)")
_INNER_RUN = re.compile(r"(?<=\S)[ \t]{2,}(?=\S)")
_EMPTY_LINES = re.compile(r"\n{3,}")
_LOOSE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]|[ \t]{2,}|[ \t]\n|\n{3,}|\A\s|\s\Z")
"""What an ASCII text must have to need anything."""

_TEMPLATE_TOKEN = re.compile(
    r"<\|(?:im_start|start_header_id)\|>(?:system|user|assistant|tool)?"
    r"|<start_of_turn>(?:user|model)?"
    r"|<\|[a-zA-Z][a-zA-Z0-9_.-]{1,40}\|>"
    r"|<\uff5c[^\uff5c<>\n]{1,40}\uff5c>"
    r"|<(?:end_of_turn|bos|eos|pad|unk|mask|sep|cls)>"
    r"|\[/?INST\]|<</?SYS>>|</s>|\[(?:CLS|SEP|PAD|UNK|MASK)\]"
)
_SENTENCE_START = re.compile(r"<s>")


def repaired(text: str) -> str:
    """The text with mojibake decoded again, and character references where no markup is."""
    mended = text
    if not text.isascii() and (is_bad(text) or _BROKEN.search(text)):
        mended = ftfy.fix_text(mended, REPAIR)
    if "&" in mended and _ENTITY.search(mended) and not _MARKUP.search(mended):
        mended = ftfy.fixes.unescape_html(mended)
    return mended


def normalised(text: str) -> str:
    """NFC, line feeds, no unseen characters, no blanks at ends of lines nor runs of them inside.

    Indentation stays, and so does everything between words in a text with fenced code.
    """
    plain = text
    if not text.isascii():
        plain = _LINE_END.sub("\n", plain)
        plain = _UNSEEN.sub("", _BLANK.sub(" ", unicodedata.normalize("NFC", plain)))
    elif not _LOOSE.search(text):
        return text
    else:
        plain = _UNSEEN.sub("", _LINE_END.sub("\n", plain))
    plain = _TRAILING.sub("", plain)
    if "```" not in plain:
        plain = _INNER_RUN.sub(" ", plain)
        plain = _EMPTY_LINES.sub("\n\n", plain)
    plain = plain.strip("\n").rstrip()
    if "\n" not in plain:
        plain = plain.lstrip()
    return text if plain == text else plain


def template_tokens(text: str) -> list[str]:
    """Tokens by which chat templates mark turns, in the order in which they stand.

    `<s>` counts where another token stands too or nothing closes it: alone it is HTML.
    """
    if "<" not in text and "[" not in text:
        return []
    found = _TEMPLATE_TOKEN.findall(text)
    if _is_html(text, found):
        return [one for one in found if one != "</s>"]
    return found + _SENTENCE_START.findall(text)


def without_template_tokens(text: str) -> str:
    """The text around its template tokens, with the blanks that they leave taken away."""
    found = template_tokens(text)
    if not found:
        return text
    html = _is_html(text, found)
    plain = _TEMPLATE_TOKEN.sub(lambda token: token[0] if html and token[0] == "</s>" else "", text)
    if not html:
        plain = _SENTENCE_START.sub("", plain)
    return normalised(plain).strip()


def _is_html(text: str, found: list[str]) -> bool:
    """Whether `<s>` and `</s>` strike words out: as many of one as of the other, nothing else."""
    closing = found.count("</s>")
    return 0 < closing == text.count("<s>") and "[INST]" not in found and closing == len(found)
