"""Whether tokenizer and chat template say what they are given."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase as Tokenizer

from rlhf.checks import Check, Verdict, judge
from rlhf.models.base import PLAIN_CHAT_TEMPLATE
from rlhf.models.text import TemplateError, acceptable, decode, response_ids

SYSTEM = {"role": "system", "content": "You are a kind assistant."}
QUESTION = [{"role": "user", "content": "What can you help me with?"}]
TEXTS = {
    "punctuation and lines": "Well - it's 5 %, isn't it? (Yes.)\n\n  * one\n\t* two",
    "accents": "Grüße aus Łódź, señor: naïve façade, œuvre",
    "Greek and Cyrillic": "Ελληνικά, русский, українська",
    "Arabic and Hebrew": "مرحبا، שלום",
    "Devanagari and Thai": "नमस्ते, สวัสดี",
    "Chinese, Japanese and Korean": "你好。こんにちは、안녕하세요",
    "emoji and symbols": "👩\u200d👩\u200d👧 🇺🇦 ✓ € ∑",
}
"""What must come back as it went in."""


def chat_template(tokenizer: Tokenizer) -> Check:
    """Whether the tokenizer brings a way to write conversations."""
    plain = tokenizer.chat_template == PLAIN_CHAT_TEMPLATE
    return judge(
        "chat template",
        "none; turns will be written as `role: text` lines" if plain else "its own",
        ok=not plain,
        otherwise=Verdict.WARN,
        advice="a model that was never taught to chat improves slowly; prefer a chat model",
    )


def system_turn(tokenizer: Tokenizer) -> Check:
    """Some templates refuse a system turn, and some swallow it."""
    try:
        written = tokenizer.apply_chat_template([SYSTEM, *QUESTION], tokenize=False)
        found = "written" if SYSTEM["content"] in str(written) else "swallowed by the template"
    except TemplateError as refused:
        found = f"refused by the template ({refused})"
    return judge(
        "system turn",
        found,
        ok=found == "written",
        otherwise=Verdict.WARN,
        advice="put what it says into the first question of your data instead",
    )


def padding(tokenizer: Tokenizer) -> Check:
    """Our own training masks by place; other programs that mask by token lose every end."""
    pad, end = tokenizer.pad_token, tokenizer.eos_token
    found = f"{pad} pads, {end} ends" if pad else f"none of its own, {end} ends"
    return judge(
        "pad token",
        found,
        ok=pad is not None and pad != end,
        otherwise=Verdict.WARN,
        advice="training here is not harmed; elsewhere, masking the padding by its token would "
        "also hide the end of every answer",
    )


def round_trip(tokenizer: Tokenizer) -> Check:
    """Text to tokens and back, as an answer and inside a conversation."""
    lost = [name for name, text in TEXTS.items() if _read_back(tokenizer, text) != text]
    if not _conversation_comes_back(tokenizer):
        lost.append("a conversation as the template writes it")
    return judge(
        "text round trip",
        f"changed on the way through tokens: {', '.join(lost)}"
        if lost
        else f"{len(TEXTS)} kinds of text and a conversation come back from tokens as they were",
        ok=not lost,
        otherwise=Verdict.WARN,
        advice="what its tokens lose, the model neither reads nor learns; for data that has it, "
        "choose another",
    )


def _read_back(tokenizer: Tokenizer, text: str) -> str:
    return decode(tokenizer, response_ids(tokenizer, text))


def _conversation_comes_back(tokenizer: Tokenizer) -> bool:
    """Whether a conversation's text survives; spaces beside special tokens are no loss."""
    answer = {"role": "assistant", "content": " ".join(TEXTS.values())}
    _, text = acceptable(tokenizer, [*QUESTION, answer], asking=False)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    back = str(tokenizer.decode(ids, skip_special_tokens=False))
    return "".join(back.split()) == "".join(text.split())
