"""Every sentence of the interface, in one place.

Plain text only: pages escape it (server side) or set it as text content (in the browser, which
reads `BROWSER` as `/static/texts.js`). `{name}` marks are filled in by the page.
"""

from __future__ import annotations

from typing import Final

PRODUCT: Final = "RLHF"

NAVIGATION: Final = {
    "annotate": "Rate",
    "data": "Data",
    "operate": "Operate",
    "reward": "Reward models",
    "evaluation": "Evaluation",
    "checkpoints": "Checkpoints",
}

ROLE: Final = {
    "annotator": "Annotator",
    "operator": "Operator",
    "reader": "Reader",
}

SIGN_IN: Final = {
    "title": "Sign in",
    "lead": "Compare answers, watch the model learn from it, and take the best version with you.",
    "name": "Name",
    "password": "Password",
    "submit": "Sign in",
    "no_password": "No password yet? Open the one-time link that you were given. "
    "An operator can make a new one on the Operate page, or with `rlhf users invite`.",
    "wrong": "This name and password do not belong together. Check both and try again.",
    "wait": "Too many attempts. Wait {minutes} minutes and try again, or use a one-time link.",
    "busy": "Too many passwords are being checked right now. Try again in a few seconds.",
    "signed_out": "You are signed out.",
}

JOIN: Final = {
    "used_title": "This link has done its work",
    "used": "A sign-in link opens the door once, within its time. This one was used already, "
    "or its time has run out.",
    "used_help": "Ask an operator for a new one, or sign in with your name and password "
    "if you have set one.",
    "preview_title": "A personal sign-in link",
    "preview": "Open this link in your own browser to sign in. "
    "It works once, so this preview did not use it.",
    "continue": "Continue",
    "already": "You are signed in as {name}.",
}

ACCOUNT: Final = {
    "title": "Your account",
    "lead": "Signed in as {name}. Set a password so that you can come back without a new link.",
    "current": "Current password",
    "new": "New password",
    "hint": "At least 12 characters. A few unrelated words are easier to remember "
    "than one complicated one.",
    "repeat": "New password again",
    "submit": "Save password",
    "saved": "Saved. You can now sign in with your name and this password; wherever else you were "
    "signed in, you no longer are.",
    "short": "The password needs at least 12 characters. Choose a longer one.",
    "long": "The password may have at most 200 characters.",
    "differ": "The two passwords differ. Type the same one twice.",
    "wrong_current": "The current password is not right. Nothing was changed.",
    "wait": "Too many attempts. Wait {minutes} minutes and try again. Nothing was changed.",
    "sign_out": "Sign out",
}

REFUSED: Final = {
    "title": "This page is not for your role",
    "body": "You are signed in as {name} ({role}). Ask an operator if you need this page.",
    "missing_title": "There is nothing here",
    "missing": "The address may be mistyped, or the page has moved.",
    "home": "Go to your page",
    "unauthorised": "Sign in first, or send a valid token in the Authorization header",
    "role": "The role {role} may not do this",
    "token": "A token may only read checkpoints. Sign in for anything else",
    "route": "There is no such route",
    "host": "This host name is not served here. Add it to web.allowed_hosts",
    "origin": "The request came from another site and was refused",
    "length": "Send the length of the request in Content-Length",
    "size": "The request is larger than {limit} bytes",
    "upload": "Files of more than {limit} MB together are not taken in here. Choose fewer at a "
    "time, or use `rlhf ingest` where the files lie",
}

GUIDELINES_TITLE: Final = "Guidelines: how to judge"
GUIDELINES_VERSION: Final = "Guidelines, version {version}."
GUIDELINES: Final = """\
Read the conversation, then both answers to its last message. Decide which answer you would
rather have received, and how strongly.

1. **Does it do what was asked?** An answer that solves the request beats one that only sounds good.
2. **Is it true?** A wrong fact, an invented rule or a false promise weighs more than style.
3. **Is it kind and clear?** Polite, readable, in the language of the question.
4. **Is it as long as it needs to be?** Padding and repetition count against an answer.

*Much better* means that you would not show the other one; *slightly* means that it was close.
**Tie** is an honest verdict. **Both bad** is a second mark beside the verdict: set it when neither
should ever be sent, and still say which one is less bad.

If you can say why, do: `r` opens a place for it. If the better answer could be mended, `e` lets you
write it as it should have been.

Answers appear in random order and without names. Skip what you cannot judge, and say why.
"""

HISTORY_TITLE: Final = "Your latest ratings"

ANNOTATE: Final = {
    "title": "Rate",
    "region": "Compare two answers",
    "conversation": "Conversation",
    "answer_a": "Answer A",
    "answer_b": "Answer B",
    "scale": "Which answer is better?",
    "thumbs": "Is this answer good?",
    "both_bad": "Both bad",
    "skip": "Skip",
    "undo": "Undo",
    "keys": "Keys",
    "save": "Save and next",
    "retry": "Try again",
    "look_again": "Look again",
    "why": "Say why",
    "edit": "Edit",
    "unedit": "Drop the edit",
    "edit_a": "Answer A as you would write it",
    "edit_b": "Answer B as you would write it",
    "flag": "Flag",
    "flag_title": "What should an operator look at?",
    "flag_lead": "You can still rate the comparison; the flag only calls for attention.",
    "flag_note": "What is wrong with it",
    "flag_confirm": "Flag it",
    "remarks": "Remarks",
    "more": "More {attribute}?",
    "more_a": "A",
    "more_same": "Same",
    "more_b": "B",
    "reason": "Why?",
    "remarks_keys": "All of this is optional. Ctrl+Enter saves from here; Esc goes back to the "
    "verdict.",
    "skip_title": "Why skip this one?",
    "skip_note": "More about it, if you like",
    "skip_confirm": "Skip it",
    "guidelines_read": "I have read them",
    "cancel": "Cancel",
    "close": "Close",
    "keys_title": "Keys",
    "history_empty": "What you rate in this session and before appears here.",
}

CHOICES: Final = (
    "A much better",
    "A better",
    "A slightly",
    "Tie",
    "B slightly",
    "B better",
    "B much better",
)

THUMBS: Final = ("Good", "Bad")
"""What can be said of a single answer."""

SKIP_REASONS: Final = {
    "cannot_judge": "I cannot judge this topic",
    "broken": "Broken or unreadable",
    "harmful": "Harmful or private content",
    "language": "A language I do not read",
    "other": "Something else",
}

KEYS: Final = (
    ("1 … 7", "Choose: 1 is “A much better”, 4 is a tie, 7 is “B much better”"),
    ("← →", "Move the verdict one step, while it has the focus"),
    ("1 2", "Choose for a single answer: good, bad"),
    ("x", "Both bad, on or off; it goes with any verdict"),
    ("Enter", "Save and show the next comparison"),
    ("r", "Say why, and which answer is more of something"),
    ("e", "Edit the better answer: yours then beats the original"),
    ("f", "Flag the comparison for an operator"),
    ("s", "Skip, with a reason"),
    ("u", "Undo: open your last rating again"),
    ("Esc", "Close a window, or leave a rating that you opened again"),
    ("?", "This list"),
)

BROWSER: Final[dict[str, object]] = {
    "product": PRODUCT,
    "navigation": NAVIGATION,
    "account": ACCOUNT["title"],
    "sign_out": ACCOUNT["sign_out"],
    "choices": CHOICES,
    "thumbs": THUMBS,
    "role": {"user": "User", "assistant": "Assistant", "system": "System", "tool": "Tool"},
    "asked": "to be answered",
    "progress": "{today} today · {total} in all",
    "lease": "{time} left",
    "lease_over": "Time is up; it can still be saved unless somebody else got it",
    "loading": "Loading the next comparison",
    "ready": "New comparison. Choose with 1 to 7.",
    "ready_single": "New answer. Choose with 1 or 2.",
    "choose_thumb": "Choose first: 1 is good, 2 is bad.",
    "answer": "Answer",
    "answer_a": ANNOTATE["answer_a"],
    "edit_good": "Only a good answer can be mended here; say why it is bad with r.",
    "choose_to_edit": "Choose the better answer first; then e edits it.",
    "flagged": "Flagged. An operator will look at it.",
    "choose_first": "Choose one of the seven verdicts first.",
    "chosen": "{choice}",
    "chosen_bad": "{choice}, both bad",
    "bad_on": "Both bad is marked. Still choose which is less bad, or a tie.",
    "bad_off": "Both bad is no longer marked.",
    "saving": "Saving…",
    "saved": "Saved {time}",
    "saved_revision": "Saved {time} as revision {revision}",
    "skipped": "Skipped. It goes to somebody else.",
    "unsent": "Not saved yet: {problem}. Your verdict is kept here; trying again in {seconds} s.",
    "unreachable": "the service cannot be reached",
    "server_error": "the service answered with error {status}",
    "load_failed": "The next comparison could not be loaded: {problem}.",
    "late": "Not counted: {problem}",
    "signed_out": "Your session has ended. Sign in again; your verdict is kept in this tab.",
    "undo_waits": "Your last verdict is not saved yet; you can open it again as soon as it is.",
    "nothing_to_undo": "There is no rating of yours to open again.",
    "reopened": "You rated this {when}. Change the verdict and save it, or press Esc to leave it.",
    "practice": "Practice {number} of {of}: rate it as you would any other. It counts for nothing, "
    "and afterwards you see what most people would have said.",
    "ranking": "You are ranking {answers} answers to one question: at most {left} more comparisons "
    "after this one.",
    "ranking_last": "You are ranking {answers} answers to one question: this is the last "
    "comparison.",
    "lesson_agreed": "You agree: {better} is better.",
    "lesson_differed": "Most people would say that {better} is better.",
    "lesson_on": "Press Enter to go on.",
    "lesson_status": "Practice: read the note above, then go on.",
    "left_revision": "Left as it was.",
    "guidelines_changed": "New in version {version}: {changed}",
    "checks": "Where the better answer was known, you chose it in {ok} of {of}.",
    "change": "Change",
    "history_row": "{choice}",
    "history_bad": "{choice} · both bad",
    "revised": "revision {revision}",
    "empty": {
        "nothing_queued": [
            "Nothing is waiting yet",
            "New comparisons appear here by themselves as soon as a round asks for them.",
        ],
        "all_rated": [
            "Everything is rated",
            "Thank you. The model is learning from it; new comparisons will appear here.",
        ],
        "all_leased": [
            "Others are rating the last ones",
            "All that is left is in somebody's hands until {until}. "
            "What they leave comes to you by itself.",
        ],
        "you_rated_the_rest": [
            "You have done your part",
            "You have rated or skipped everything that is open; the rest needs somebody else.",
        ],
    },
    "polling": "Looked {time}; looks again by itself.",
}

STATES: Final = {
    "comparisons": "Comparisons",
    "collecting": "Collecting",
    "manifest": "Manifest",
    "reward": "Reward models",
    "reward_gate": "Reward gate",
    "ppo": "PPO",
    "evaluation": "Evaluation",
    "gate": "Gate",
    "promotion": "Promotion",
    "promoted": "Promoted",
    "refused": "Refused",
    "failed": "Failed",
}

OPERATE: Final = {
    "title": "Operate",
    "now": "Now",
    "start": "Start round now",
    "said": "The service says",
    "asked": "Asked. The controller takes it up in a moment.",
    "shown": "Plots of round",
    "steps": "Steps of the round",
    "answers": "Answers",
    "rounds": "Rounds",
    "people": "People",
    "events": "Events",
    "guidelines": "Guidelines",
    "guidelines_text": "What annotators read before they rate (Markdown)",
    "guidelines_changed": "What is new, in a sentence for those who know the version before",
    "guidelines_save": "Put a new version in force",
    "guidelines_said": "The service says",
    "guidelines_saved": "Version {version} is in force. Everybody is asked to read it before the "
    "next rating.",
    "flags": "Flags",
    "see_flags": "Mark all as seen",
    "name": "Name",
    "role": "Role",
    "invite": "Make a sign-in link",
    "link": "One-time link, shown once; valid for three days",
    "queue": "Queue: {open} open, {leased} in people's hands, {rated} rated.",
    "hold": "No new round can start now: {why}.",
    "no_round": "No round is open.",
    "silent": "No sign of life for a while: is the controller running?",
    "radar": "Radar: reward over sqrt(KL)",
    "radar_says": "The radar says",
    "curve": "fitted",
    "radar_early": "Too few iterations for a curve yet.",
    "radar_rising": "The policy is {kl:.1f} nats from the base; no peak of the hold-out's reward "
    "is in sight.",
    "radar_peak": "The policy is {kl:.1f} nats from the base; the hold-out's reward is predicted "
    "to peak at {peak:.1f}.",
}

RADAR_LINES: Final = {"objective/scores": "proxy", "objective/holdout": "hold-out"}
"""Metric -> name of its line on the radar."""

REWARD: Final = {
    "title": "Reward models",
    "lead": "What the ratings taught, measured on pairs that no member was trained on, and how far "
    "the people behind them agree.",
    "shown": "Round",
    "summary": "In short",
    "gate": "What the reward gate said",
    "passed": "Passed.",
    "refused": "Refused: PPO was not started with these models.",
    "by": "Overruled by {by}: {why}",
    "override": "Overrule the gate",
    "why": "Why",
    "consequence": "The refused round goes on with PPO on these models; your name and reason stay "
    "with it, and the policy gate still decides about the result.",
    "said": "The service says",
    "overruled": "Round {round} goes on with PPO.",
    "nothing": "No reward models have been trained yet.",
    "accuracy": "Accuracy on unseen pairs: {share}",
    "ceiling": "Human ceiling, how often two people prefer the same: {share}",
    "alpha": "Krippendorff's alpha of the seven verdicts: {alpha}",
    "learned": "{preferences} preferences from {ratings} ratings, worth {effective:.0f} "
    "independent and reliable ones",
    "previous": "Against the previous ensemble on the same pairs: {gain:+.2f} "
    "({low:+.2f} to {high:+.2f})",
    "reliability": "Is a stated probability true?",
    "stated": "stated probability",
    "seen": "people chose so",
    "perfect": "perfectly calibrated",
    "best_of": "Best of n answers, by the ensemble",
    "proxy": "ensemble",
    "holdout": "hold-out model",
    "lengths": "Score and length of the base's answers, tokens",
    "unsure": "Disagreement of the members on the base's answers",
    "accuracies": "Accuracy on unseen pairs (95 % interval, pairs)",
    "all": "all that were drawn uniformly",
    "fresh": "of this round, from the current policy",
    "people": "People",
    "models": "Models",
    "counted": "Where every rating went",
    "used": "used as preferences",
    "edited": "edited answers, each one preference more",
    "before": "not in the manifest",
    "part": "preferences for",
    "contradicted": "comparisons with preferences both ways, all used",
    "too_long": "rows too long for the base's context",
}

CHECKPOINTS: Final = {
    "title": "Checkpoints",
    "lead": "Every version that was published, newest first. **champion** is the one to use: it "
    "won against the one before it. Figures are on held-out prompts.",
    "chosen": "Show",
    "pull": "Pull it",
    "card": "Model card",
    "roll_back": "Roll the champion back to the previous one",
    "why": "Why",
    "say_why": "Say why; the reason is kept with the move.",
    "said": "The service says",
    "rolled_back": "The champion is {digest} now.",
    "commands": "# on this machine: a standard PEFT adapter folder, or a whole model\n"
    "rlhf pull {ref} my-model --home {home}\n"
    "rlhf pull {ref} my-model --merged --home {home}\n"
    "# from another machine, with a read-only token of `rlhf users token NAME`\n"
    "RLHF_TOKEN=... rlhf pull {ref} my-model --from {address}",
}
