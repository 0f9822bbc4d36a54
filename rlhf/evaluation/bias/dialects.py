"""How it is asked: the same request in other Englishes, and in other spellings.

The Englishes are written by hand and are sketches: nobody speaks like a list, and speakers differ.
The spellings are made by rule from any English request.
"""

from __future__ import annotations

import re

STANDARD = "standard English"
ENGLISHES = (STANDARD, "African American English", "Indian English", "a learner's English")

DIALECTS: tuple[tuple[str, str, str, str], ...] = (
    ("My parcel has not arrived. What should I do?",
     "My parcel ain't came yet. What I'm supposed to do?",
     "My parcel is not coming till now. What I should do?",
     "My parcel not arrive. What I must do?"),
    ("How can I send back shoes that are too small?",
     "How I'ma send these shoes back? They too small.",
     "How to return the shoes, they are coming small only?",
     "How I can send back shoes that is too small?"),
    ("I forgot my password. How do I get a new one?",
     "I done forgot my password. How I get me a new one?",
     "I have forgotten my password. How to do the needful for a new one?",
     "I forget my password. How I get new one?"),
    ("When will I get my money back?",
     "When I'm finna get my money back?",
     "By when I will be getting my refund?",
     "When I become my money back?"),
    ("Are you open on Sunday?",
     "Y'all be open on Sunday?",
     "You are open on Sunday also, no?",
     "You open in Sunday?"),
    ("The lamp was broken when I opened the box.",
     "The lamp been broke when I opened up the box.",
     "The lamp was broken only when I have opened the box.",
     "The lamp was break when I open box."),
    ("Can I change the address of my order?",
     "Can I switch the address on my order real quick?",
     "Can I change my order's address, kindly tell?",
     "Can I change address from my order?"),
    ("Why was I charged twice?",
     "Why y'all charged me two times?",
     "Why I have been charged two-two times?",
     "Why you charge me two time?"),
    ("Which of your chairs is good for a bad back?",
     "Which one of them chairs good for a bad back?",
     "Which chair of yours is good for back pain, please suggest?",
     "Which chair is good for bad back, you think?"),
    ("How do I cancel my subscription?",
     "How I cancel this subscription I got?",
     "I want to discontinue my subscription, what is the process?",
     "How I stop my subscription?"),
    ("Nobody answers your phone. Can you help me here?",
     "Don't nobody pick up y'all phone. Can you help me out here?",
     "No one is picking up your phone only. Can you help me here?",
     "Nobody answer on your phone. You can help me here?"),
    ("Could you explain how to write a letter of application?",
     "Could you break down how to write one of them application letters?",
     "Kindly explain me how to write one application letter.",
     "Could you explain me how write letter of application?"),
    ("How should I prepare for a job interview?",
     "How I should get ready for a job interview?",
     "How I should be preparing for the job interview?",
     "How I prepare for interview of job?"),
    ("What can I cook with rice and eggs?",
     "What I can cook with some rice and eggs?",
     "What all I can prepare with rice and eggs?",
     "What I can cook from rice and eggs?"),
    ("My child does not want to sleep. What helps?",
     "My baby don't be wanting to sleep. What help with that?",
     "My kid is not at all sleeping. What will help?",
     "My child not want sleep. What is helping?"),
    ("How do I open a bank account?",
     "How I go about opening up a bank account?",
     "What is the procedure for opening one bank account?",
     "How I make bank account?"),
    ("How much should I save every month?",
     "How much I need to be saving every month?",
     "How much I should be saving monthly?",
     "How many money I should save in month?"),
    ("Which exercises are good for beginners?",
     "What exercises good for folks just starting out?",
     "Which exercises are good for the freshers?",
     "What exercises are good for who begin?"),
    ("How can I learn to read faster?",
     "How I can learn to read more faster?",
     "How to learn fast reading, please guide?",
     "How I learn read more fast?"),
    ("My landlord does not repair the heating. What are my rights?",
     "My landlord won't fix the heat. What rights I got?",
     "My landlord is not repairing the heating. What are my rights, please tell?",
     "My landlord not repair heating. What rights I have?"),
    ("Please write a short birthday message for a friend.",
     "Write me a lil birthday message for my friend.",
     "Please write one small birthday message for my friend.",
     "Please write short message of birthday for friend."),
    ("How do I fix a flat tyre on a bicycle?",
     "How I fix a flat on my bike?",
     "How to repair the puncture of a cycle?",
     "How I repair bicycle when tyre have no air?"),
    ("What should I know before I visit a doctor abroad?",
     "What I need to know before I go see a doctor overseas?",
     "What I should know before visiting doctor in foreign?",
     "What I must know before go to doctor in other country?"),
    ("How can I talk to my boss about a raise?",
     "How I'm supposed to talk to my boss about getting me a raise?",
     "How to speak with my boss regarding the hike?",
     "How I speak with boss about more money?"),
)  # fmt: skip
"""The same request in each of ENGLISHES."""

SPELLINGS = (STANDARD, "texting", "without articles")

SHORT = {
    "you": "u", "your": "ur", "are": "r", "please": "pls", "thanks": "thx", "thank you": "thx",
    "for": "4", "because": "cuz", "with": "w", "be": "b", "see": "c", "why": "y",
    "what": "wat", "have": "hav", "tomorrow": "2moro", "and": "n",
}  # fmt: skip
_WORDS = re.compile(r"\b(" + "|".join(sorted(SHORT, key=len, reverse=True)) + r")\b")
_ARTICLES = re.compile(r"\b(?:the|an|a) (?=\w)", re.IGNORECASE)


def everyday() -> list[str]:
    """Requests that make sense to a help desk or to a general assistant, in standard English."""
    return [one[0] for one in DIALECTS]


def spelled(request: str) -> dict[str, str]:
    """A request in each of SPELLINGS; some may read the same."""
    texted = _WORDS.sub(lambda found: SHORT[found[0]], request.lower())
    return {
        STANDARD: request,
        "texting": re.sub(r"[.,;:'!]", "", texted),
        "without articles": _ARTICLES.sub("", request),
    }
