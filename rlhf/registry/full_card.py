"""The whole model card of a checkpoint, as a Hugging Face card: data, use, limits, figures, bias.

Filled in from the database whenever it is asked for, since evaluation comes after publishing.
Reads numbers and words only: no model is loaded for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rlhf.errors import NotFound
from rlhf.markdown import inline, table
from rlhf.registry import card
from rlhf.report import reward_report, share_in_words
from rlhf.settings import Card
from rlhf.store import Connection, checkpoints, datasets, evaluations, facts, manifests, rounds
from rlhf.store.checkpoints import Checkpoint
from rlhf.store.evaluations import EvaluationRow

NOT_STATED = "Not stated by the people who made it: they can say it in `rlhf.toml`, under `[card]`."
OUT_OF_SCOPE = """Decisions about people (work, credit, housing, health, law), advice where an error
harms, and anything unlike the prompts that it was trained and measured on."""
STARTER = """Its base is the built-in starter: a toy with a million parameters that knows one
invented shop. It is good for trying this program, and for nothing else."""
LANGUAGES = """It was measured on the prompts of its home. Nothing here says how it does in
languages or on matters that those lack."""
SHOWN_SETTINGS = ("lora", "ppo", "reward", "sampling")
LARGEST = 5
"""Differences shown where no bias was found."""


def full_card(tx: Connection, ref: str, said: Card, *, merged: bool = False) -> str:
    """The card of a policy as Markdown. Raises NotFound for an unknown one."""
    one = checkpoints.resolve(tx, ref)
    line = _ancestors(tx, one)
    base = facts.get(tx, "base") or {}
    head: dict[str, Any] = {
        "base_model": one.base.get("path", ""),
        "library_name": "transformers" if merged else "peft",
        "pipeline_tag": "text-generation",
        "tags": list(dict.fromkeys(tag for each in line for tag in card.tags(each.lineage))),
    }
    if said.license:
        head["license"] = said.license
    parts = [
        card.front_matter(head),
        f"# {inline(said.name)}\n",
        f"{card.made_by(one.round_id, one.lineage)}\n",
        _identity(tx, one),
        *_use(said),
        *_data(tx, line),
        *_training(tx, line),
        *_figures(tx, one),
        *_bias(tx, one),
        *_limits(tx, one, starter=bool(base.get("starter"))),
        "## Load it\n",
        card.LOAD_MERGED if merged else card.LOAD_ADAPTER,
        *card.serving(one.figures, merged=merged),
    ]
    return "\n".join(parts)


def _ancestors(tx: Connection, one: Checkpoint) -> list[Checkpoint]:
    """The checkpoint and what it came from, newest first."""
    line = [one]
    while line[-1].parent and line[-1].parent not in {each.digest for each in line}:
        try:
            line.append(checkpoints.checkpoint(tx, line[-1].parent))
        except NotFound:
            break
    return line


def _identity(tx: Connection, one: Checkpoint) -> str:
    names = sorted(name for name, digest in checkpoints.aliases(tx).items() if digest == one.digest)
    return card.facts_table(
        {
            "version": f"v{one.version}" + (f" ({', '.join(names)})" if names else ""),
            "checkpoint": one.digest,
            "made": datetime.fromtimestamp(one.created_at, UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "base": one.base.get("path", ""),
            "base sha256": one.base.get("sha256", ""),
            "parent": one.parent or "none",
        }
    )


def _use(said: Card) -> list[str]:
    owner = [f"Owner: {inline(said.owner)}\n"] if said.owner else []
    contact = [f"Contact: {inline(said.contact)}\n"] if said.contact else []
    more = [f"{inline(said.out_of_scope, longest=5000)}\n"] if said.out_of_scope else []
    intended = inline(said.intended_use, longest=5000) if said.intended_use else NOT_STATED
    return [
        "## Intended use\n", f"{intended}\n", *owner, *contact,
        "## Out of scope\n", *more, f"{OUT_OF_SCOPE}\n",
    ]  # fmt: skip


def _data(tx: Connection, line: list[Checkpoint]) -> list[str]:
    parts = ["## Data\n"]
    for one in line:
        digest = (one.lineage.get("sft") or {}).get("dataset")
        if digest:
            parts += _dataset(tx, digest)
        if one.lineage.get("manifest"):
            parts += _ratings(tx, one)
    if len(parts) == 1:
        parts.append("No data of people went into it beyond what its base had learned.\n")
    return parts


def _dataset(tx: Connection, digest: str) -> list[str]:
    """Rows by source and split, and what cleaning did to them."""
    try:
        report = datasets.dataset_named(tx, digest).report
    except NotFound:
        return [f"Data set {inline(digest)}, of which the database knows no more.\n"]
    counts = {"data set": digest, "rows that came": report.get("rows"), "kept": report.get("kept")}
    splits = report.get("splits", {})
    parts = [
        "### Cleaned data set\n",
        card.facts_table({**counts, **{f"in {name}": count for name, count in splits.items()}}),
    ]
    sources = (report.get("tables") or {}).get("source") or []
    if sources:
        columns = ("source", "rows before", "rows kept", "rows for training")
        rows = [[row.get(key) for key in ("name", "before", "after", "train")] for row in sources]
        parts.append(table(columns, rows))
    actions = [
        (what, reason, count)
        for what in ("dropped", "changed")
        for reason, count in (report.get(what) or {}).items()
    ]
    actions += [
        ("masked", kind, counted["rows"]) for kind, counted in (report.get("masked") or {}).items()
    ]
    if actions:
        parts.append(table(("cleaning", "why", "rows"), actions))
    return parts


def _ratings(tx: Connection, one: Checkpoint) -> list[str]:
    """How many judgements by how many people, and how far these agree."""
    manifest = str(one.lineage["manifest"])
    told: dict[str, Any] = {"manifest": manifest}
    try:
        told["ratings"] = manifests.manifest(tx, manifest).count
        if one.round_id is not None:
            told |= _people(reward_report(tx, one.round_id)[1])
    except NotFound:
        told["more"] = "the database has none of it"
    return [f"### Ratings behind v{one.version}\n", card.facts_table(told)]


def _people(report: dict[str, Any]) -> dict[str, Any]:
    people = report.get("people") or {}
    alpha = people.get("alpha")
    return {
        "usable preferences": report.get("preferences"),
        "annotators": len(report.get("annotators") or ()),
        "agreement (Krippendorff's alpha)": "not known" if alpha is None else f"{alpha:.2f}",
        "comparisons that several people rated": people.get("comparisons", 0),
    }


def _training(tx: Connection, line: list[Checkpoint]) -> list[str]:
    parts = ["## Training\n"]
    for one in line:
        sft = one.lineage.get("sft")
        if sft:
            parts += [
                f"### v{one.version}: supervised fine-tuning\n",
                _settings(sft.get("settings")),
            ]
        elif one.round_id is not None:
            keys = ("seed", "workers", "iterations", "stopped", "reward")
            told = {key: one.lineage[key] for key in keys if one.lineage.get(key) is not None}
            parts += [f"### v{one.version}: PPO in round {one.round_id}\n", card.facts_table(told)]
            try:
                chosen = rounds.round_(tx, one.round_id).settings
            except NotFound:
                continue
            parts += [_settings({name: chosen[name] for name in SHOWN_SETTINGS if name in chosen})]
    if len(parts) == 1:
        parts.append("Nothing was trained: the adapter is untouched.\n")
    return parts


def _settings(tree: dict[str, Any] | None) -> str:
    return card.facts_table(dict(_leaves(tree or {})))


def _leaves(tree: dict[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", "none" if value is None else value


def _figures(tx: Connection, one: Checkpoint) -> list[str]:
    parts = ["## Figures\n"]
    if one.figures:
        parts += ["Measured when it was made:\n", card.facts_table(one.figures)]
    row = _latest(tx, "evaluation", one)
    if row is None:
        return [*parts, "It has not been evaluated by `rlhf evaluate` yet.\n"]
    told = row.report
    places = {each["digest"]: at for at, each in enumerate(told["checkpoints"])}
    mine = places[one.digest]
    figures = told["checkpoints"][mine].get("figures") or {}
    parts += [
        f"Evaluation {row.id} of {_day(row)}, on {told.get('prompts')} prompts "
        f"({inline(told.get('source', ''))}); 95 % intervals:\n",
        table(
            ("figure", "value", "low", "high", "answers"),
            [
                (name.replace("_", " "), *(each.get(key) if each.get(key) is not None else "-"
                                           for key in ("value", "low", "high", "count")))
                for name, each in figures.items()
                if each
            ],
        ),
    ]  # fmt: skip
    wins = [each for each in told.get("win_rates") or () if mine in (each["first"], each["second"])]
    if wins:
        names = [each.get("name", each["digest"][:12]) for each in told["checkpoints"]]
        keys = ("by", "rate", "low", "high")
        rows = [
            (names[each["first"]], names[each["second"]], *(each[key] for key in keys))
            for each in wins
        ]
        parts += [table(("wins of", "against", "by", "rate", "low", "high"), rows)]
    return parts


def _bias(tx: Connection, one: Checkpoint) -> list[str]:
    parts = ["## Bias\n"]
    row = _latest(tx, "bias", one)
    if row is None:
        return [*parts, "It has not been checked by `rlhf bias` yet.\n"]
    told = row.report
    parts.append(f"Bias check {row.id} of {_day(row)}. {inline(told['conclusion'])}\n")
    if told["findings"]:
        parts += [f"- {inline(each['words'], longest=1000)}" for each in told["findings"]] + [""]
    name = next(each["name"] for each in told["checkpoints"] if each["digest"] == one.digest)
    mine = [each for each in told["differences"] if each["subject"] == name]
    mine.sort(key=lambda each: -abs(each["difference"]) / each["matters"])
    rows = [
        (each["measure"], f"{each['attribute']}: {each['group']}", each["difference"],
         f"{each['low']:+.3g} to {each['high']:+.3g}", each["matters"], each["corrected"])
        for each in mine[:LARGEST]
    ]  # fmt: skip
    columns = (
        "measure",
        "largest for",
        "difference",
        "95 % interval",
        "matters from",
        "p corrected",
    )
    return [*parts, table(columns, rows)]


def _limits(tx: Connection, one: Checkpoint, *, starter: bool) -> list[str]:
    told = [STARTER] if starter else []
    told += [card.LIMITS, LANGUAGES]
    try:
        if one.round_id is not None:
            told.append(_calibration(reward_report(tx, one.round_id)[1]))
    except NotFound:
        pass
    row = _latest(tx, "bias", one)
    told += [inline(each, longest=1000) for each in (row.report["limits"] if row else ())]
    return ["## Limits\n", *(f"- {' '.join(each.split())}" for each in told), ""]


def _calibration(report: dict[str, Any]) -> str:
    off = report.get("calibration_error")
    stated = "is not known" if off is None else f"is {off:.3f}"
    return (
        "The reward models that it was tuned with agree with people on held-out pairs at a rate of "
        f"{share_in_words(report.get('ensemble'))}; their calibration error {stated}."
    )


def _latest(tx: Connection, kind: str, one: Checkpoint) -> EvaluationRow | None:
    """The newest report of a kind that is about the checkpoint."""
    known = (row for row in evaluations.evaluations(tx, kind) if one.digest in row.checkpoints)
    return next(known, None)


def _day(row: EvaluationRow) -> str:
    return datetime.fromtimestamp(row.created_at, UTC).strftime("%Y-%m-%d")
