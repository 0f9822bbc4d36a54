// The list of a person's latest ratings, each with a button that opens it again.

import { clock, fill } from "./client.js";
import texts from "./texts.js";

export function showHistory(list, ratings, reopen) {
  if (list === null) return;
  list.replaceChildren(...ratings.map((rating) => row(rating, reopen)));
  list.parentElement.dataset.empty = String(ratings.length === 0);
}

/** How often this person was right where that can be known; nothing while it is not. */
export function showChecks(line, { ok, of }) {
  if (line !== null) line.textContent = of > 0 ? fill(texts.checks, { ok, of }) : "";
}

function row(rating, reopen) {
  const entry = document.createElement("li");
  const when = document.createElement("time");
  when.textContent = clock(rating.submitted_at);
  when.dateTime = new Date(rating.submitted_at * 1000).toISOString();
  const verdict = document.createElement("span");
  const choice = (rating.single ? texts.thumbs : texts.choices)[rating.choice - 1];
  verdict.textContent = fill(rating.both_bad && !rating.single ? texts.history_bad : texts.history_row, { choice });
  const revision = document.createElement("small");
  if (rating.revision > 1) {
    revision.textContent = fill(texts.revised, { revision: rating.revision });
  }
  const change = document.createElement("button");
  change.type = "button";
  change.className = "link";
  change.textContent = texts.change;
  change.addEventListener("click", () => reopen(rating.rating_id));
  entry.append(when, verdict, revision, change);
  return entry;
}
