"""Every sentence of the data page; those of the other pages are in `texts`."""

from __future__ import annotations

from typing import Final

DATA: Final = {
    "title": "Data",
    "lead": "Bring your own prompts, conversations, documents, preferences and demonstrations: "
    "JSONL, JSON, CSV, TSV, Parquet, text or Markdown, also as .gz, up to {limit} MB at once. "
    "Nothing is written before you have seen it and said so.",
    "files": "Files, all that belong together at once",
    "kind": "What they are",
    "recognise": "recognise it",
    "mapping": "Columns, where their names do not say it",
    "mapping_info": "COLUMN=FIELD, one a line; then only these columns count",
    "mapping_example": "body=prompt\nreply=completion",
    "look": "Preview again",
    "take": "Take it in",
    "drop": "Drop the files",
    "said": "The service says",
    "choose": "Choose files: first you see what would be taken in.",
    "previewed": "{files} read: {kept} of {rows} rows can be taken in. Nothing is written yet.",
    "one_file": "1 file",
    "more_files": "{count} files",
    "nothing_here": "There are no files here. Choose them again.",
    "changed": "You changed how the files are to be read. Look at this preview, then take it in. "
    "{previewed}",
    "taken": "Taken in: {kept} of {rows} rows from {files}.",
    "nothing_new": "Nothing was added: the store had all that these {rows} rows hold already.",
    "dropped": "The files are deleted. Nothing was written.",
    "preview": "What is in the files",
    "samples": "The first rows, as they would be stored",
    "report": "What came of it",
    "store": "In the store, by source: prompts to train on, held out; answers; preferences; "
    "passages",
    "datasets": "Data sets that were cleaned of it",
    "next": "Next, on the command line",
    "commands": "# make a data set of what came in\nrlhf clean --home {home}\n"
    "# teach a model from it\nrlhf sft --home {home}",
}

WOULD_BE: Final = {
    "prompts": "{count} prompts, {answered} of them answered",
    "passages": "{count} passages",
    "preferences": "{count} preferences from {rankings} rankings",
    "nothing": "nothing",
}
"""What a file would become."""

COUNTED: Final = {
    "rows": "rows in the files",
    "kept": "rows kept",
    "left_out": "rows left out: {reason}",
    "added": "prompts added",
    "other_answers": "other answers to prompts that were there",
    "duplicates": "prompts that were there",
    "train": "prompts to learn from",
    "heldout": "prompts kept for evaluation",
    "passages_added": "passages added",
    "passages_known": "passages that were there",
    "preferences_added": "preferences added",
    "preferences_known": "preferences that were there",
    "unsaid": "preferences left out: {reason}",
}
"""The lines of a report."""
