// The rating page: lease, show, choose, save, next. The server is the truth; this page remembers
// what is on screen, the comparison that comes after it, and one verdict not acknowledged yet.

import { activeClock } from "./active_clock.js";
import { Card, TIE } from "./card.js";
import { call, clock, fill, Refused } from "./client.js";
import { askFlag, askSkip, wireDialogs } from "./dialogs.js";
import { draftOf, keepDraft } from "./draft.js";
import { Guidelines } from "./guidelines.js";
import { showChecks, showHistory } from "./history.js";
import { listen, seen } from "./keys.js";
import { LeaseClock } from "./lease_clock.js";
import { Outbox } from "./outbox.js";
import { Remarks } from "./remarks.js";
import texts from "./texts.js";
import { inWords } from "./trouble.js";

const POLL_MS = 8000;
const HISTORY = 10;

export function start(root) {
  const card = new Card(root);
  const remarks = new Remarks(root, { changed: keepThoughts, save, back: () => card.focusVerdict(choice) });
  const lease = new LeaseClock((text, urgent) => card.lease(text, urgent));
  const outbox = new Outbox({ say: (text, tone) => card.delivery(text, tone), acknowledged, signedOut });
  const guidelines = new Guidelines(card);
  const active = activeClock();
  let item = null; // what is on screen: a lease or a rating that was opened again
  let ahead = null; // a promise of what comes after it
  let choice = null;
  let bothBad = false;
  let poll = 0;
  let moves = 0; // how often the person or the page went on to something else
  let lastRating = null;

  /** Going on to something else. The answer tells whether that is still the last thing done. */
  function move() {
    moves += 1;
    const mine = moves;
    clearTimeout(poll);
    return () => moves === mine;
  }

  // What the person does

  function choose(number) {
    if (!seen(item) || number > card.choices.length) return;
    choice = number;
    mark();
    keepThoughts();
    sayChoice();
  }

  function nudge(step) {
    const from = choice ?? (card.single ? 1 : TIE);
    const next = Math.min(card.choices.length, Math.max(1, from + step));
    choose(next);
    card.choices[next - 1].focus();
  }

  function toggleBad() {
    if (!seen(item) || card.single) return;
    bothBad = !bothBad;
    mark();
    keepThoughts();
    if (choice === null) card.say(bothBad ? texts.bad_on : texts.bad_off);
    else sayChoice();
  }

  function mark() {
    card.mark(choice, bothBad);
    remarks.better(card.side(choice));
  }

  function sayChoice() {
    const text = bothBad ? texts.chosen_bad : texts.chosen;
    card.say(fill(text, { choice: card.words(choice) }));
  }

  function edit() {
    if (!seen(item)) return;
    const side = card.side(choice);
    if (side === null) card.say(card.single ? texts.edit_good : texts.choose_to_edit, "bad");
    else remarks.edit(side);
  }

  /** Whoever judges what is on screen no longer waits for another. */
  function keepThoughts() {
    if (item === null) return;
    move();
    keepDraft(item.submissionId, { choice, bothBad, remarks: remarks.thoughts() });
  }

  async function save() {
    if (!seen(item)) return;
    if (choice === null) {
      const ask = card.single ? texts.choose_thumb : bothBad ? texts.bad_on : texts.choose_first;
      card.say(ask, "bad");
      return;
    }
    if (outbox.busy) {
      move();
      outbox.hurry();
      return;
    }
    remarks.leave();
    const said = { submission_id: item.submissionId, choice, both_bad: bothBad, active_ms: active.read() };
    const verdict = { ...said, ...remarks.said(card.side(choice)) };
    if (item.practice !== null) {
      await learn(item, verdict);
      return;
    }
    const first = item.leaseId !== null;
    if (first) verdict.lease_id = item.leaseId;
    outbox.send(first ? "ratings" : `ratings/${item.ratingId}/revise`, verdict);
    await (first ? next() : again());
  }

  /** Practice: the comparison stays, with what was to be seen in it, until the person goes on. */
  async function learn(practised, verdict) {
    if (practised.lesson === "asked") return;
    if (practised.lesson === "shown") {
      await again();
      return;
    }
    practised.lesson = "asked";
    try {
      const { lesson } = await call("POST", "ratings", { ...verdict, lease_id: practised.leaseId });
      if (item !== practised) return;
      practised.lesson = "shown";
      if (lesson === null) await again();
      else card.lesson(lesson);
    } catch (problem) {
      practised.lesson = null;
      if (item === practised) card.say(inWords(problem), "bad");
    }
  }

  async function acknowledged() {
    refreshHistory();
    refreshFigures();
  }

  async function skip(reason) {
    if (item === null || item.leaseId === null) return;
    const skipped = item;
    try {
      await call("POST", "skips", { lease_id: skipped.leaseId, reason });
      if (item !== skipped) return;
      await next();
      card.say(texts.skipped);
    } catch (problem) {
      card.say(inWords(problem), "bad");
    }
  }

  async function flag(note) {
    if (item === null) return;
    const about = item.leaseId === null ? { rating_id: item.ratingId } : { lease_id: item.leaseId };
    try {
      await call("POST", "flags", { ...about, note });
      card.say(texts.flagged);
    } catch (problem) {
      card.say(inWords(problem), "bad");
    }
  }

  async function undo() {
    if (outbox.stuck) {
      outbox.hurry();
      card.say(texts.undo_waits, "bad");
      return;
    }
    const current = move();
    await outbox.settled();
    if (current()) await refreshHistory();
    if (!current()) return;
    if (lastRating !== null) await reopen(lastRating);
    else {
      if (item === null) await again();
      card.say(texts.nothing_to_undo);
    }
  }

  async function reopen(ratingId) {
    const current = move();
    try {
      const rating = await call("GET", `ratings/${ratingId}`);
      if (!current()) return;
      ahead = null;
      present({ ...rating, lease_id: null });
      choice = rating.choice;
      bothBad = rating.both_bad && !rating.single;
      mark();
      remarks.recall(rating, card.side(choice));
      card.banner(fill(texts.reopened, { when: clock(rating.submitted_at) }));
    } catch (problem) {
      if (current()) failed(problem);
    }
  }

  async function leaveRevision() {
    if (item === null || item.leaseId !== null) return;
    await again();
    card.say(texts.left_revision);
  }

  // What the server says

  /** The comparison after the one on screen: the one made ready, else whatever the server has. */
  async function next() {
    const current = move();
    const ready = ahead;
    ahead = null;
    item = null;
    const answer = ready === null ? null : await ready;
    if (!current()) return;
    if (answer?.lease_id === undefined || answer.endsAt <= performance.now()) await again();
    else {
      guidelines.stand(answer.guidelines);
      present(answer);
      card.say(card.single ? texts.ready_single : texts.ready);
    }
  }

  /** What the server would have on screen now. */
  async function again() {
    const current = move();
    item = null;
    await outbox.settled();
    if (!current()) return;
    if (root.dataset.state === "problem") card.stand("loading");
    try {
      const answer = await call("GET", "next");
      if (!current()) return;
      card.progress(answer.progress);
      guidelines.stand(answer.guidelines);
      if (answer.empty !== undefined) nothing(answer);
      else {
        present(answer);
        card.say(card.single ? texts.ready_single : texts.ready);
      }
    } catch (problem) {
      if (current()) failed(problem);
    }
  }

  function present(answer) {
    card.banner("");
    const [left, right] = [answer.left.text, answer.right?.text ?? null];
    card.show({ messages: answer.messages, left, right });
    item = {
      leaseId: answer.lease_id,
      ratingId: answer.rating_id ?? null,
      submissionId: answer.submission_id,
      practice: answer.practice ?? null,
      shownAt: performance.now(),
    };
    if (item.practice !== null) card.banner(fill(texts.practice, item.practice));
    if (answer.ranking != null) card.banner(ranked(answer.ranking));
    const draft = draftOf(item.submissionId);
    choice = draft?.choice ?? null;
    bothBad = draft?.bothBad ?? false;
    remarks.begin({ left, right }, draft?.remarks);
    mark();
    active.restart();
    lease.hold(item.leaseId, answer.endsAt ?? endOf(answer));
    if (item.leaseId !== null && item.practice === null) ahead = prepare(item.leaseId);
  }

  /** Until the verdict before has arrived, the server would hand out its comparison again. */
  async function prepare(after) {
    await outbox.settled();
    const answer = await call("GET", `next?after=${after}`).catch(() => null);
    return answer === null ? null : { ...answer, endsAt: endOf(answer) };
  }

  function nothing({ empty, until }) {
    const [title, body] = texts.empty[empty];
    lease.hold(null);
    const looked = fill(texts.polling, { time: clock() });
    card.empty(title, fill(body, { until: until == null ? "" : clock(until) }), looked);
    poll = setTimeout(again, POLL_MS);
  }

  function failed(problem) {
    if (problem instanceof Refused && problem.status === 401) {
      signedOut();
      return;
    }
    item = null;
    card.problem(fill(texts.load_failed, { problem: inWords(problem) }));
    poll = setTimeout(again, POLL_MS);
  }

  function signedOut() {
    move();
    item = null;
    root.dataset.signedOut = "true";
    card.problem(texts.signed_out);
  }

  async function refreshHistory() {
    const { ratings } = await call("GET", `ratings/mine?count=${HISTORY}`).catch(() => ({ ratings: null }));
    if (ratings === null) return;
    lastRating = ratings.length > 0 ? ratings[0].rating_id : null;
    showHistory(document.querySelector("[data-slot=history]"), ratings, reopen);
  }

  async function refreshFigures() {
    const me = await call("GET", "me").catch(() => null);
    if (me === null) return;
    card.progress(me.progress);
    showChecks(document.querySelector("[data-slot=checks]"), me.checks);
  }

  // Wiring

  const always = (action) => Object.assign(() => action(), { anytime: true });
  const help = () => card.dialog("keys").showModal();
  const why = () => remarks.open();

  function askToSkip() {
    if (item?.leaseId == null) return;
    move();
    askSkip(card);
  }

  function askToFlag() {
    if (item === null) return;
    move();
    askFlag(card);
  }

  function wire() {
    [...card.scale, ...card.thumbs].forEach((button) => {
      const number = Number(button.dataset.choice ?? button.dataset.thumb);
      button.addEventListener("click", () => choose(number));
      button.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
        if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
        event.preventDefault();
        nudge(step);
      });
    });
    const clicks = {
      "both-bad": toggleBad, why: () => remarks.toggle(), flag: askToFlag, skip: askToSkip, save, undo,
      keys: help, retry: resume, again,
    };
    for (const [name, action] of Object.entries(clicks)) card.button(name).addEventListener("click", action);
    root.querySelectorAll("[data-act=edit]").forEach((button) => button.addEventListener("click", edit));
    wireDialogs(card, { skip, flag });
    const keys = {
      x: toggleBad, r: why, e: edit, f: askToFlag, s: askToSkip, Enter: save, u: always(undo), "?": always(help),
      Escape: always(leaveRevision),
    };
    for (let number = 1; number <= 7; number += 1) keys[number] = () => choose(number);
    listen(keys, () => item);
    document.addEventListener("history-opened", () => {
      refreshHistory();
      refreshFigures();
    });
  }

  async function resume() {
    const current = move();
    card.stand("loading");
    try {
      const me = await call("GET", "me");
      outbox.of(me.id);
      guidelines.read = me.guidelines;
      card.progress(me.progress);
    } catch (problem) {
      if (!current()) return;
      failed(problem);
      clearTimeout(poll);
      poll = setTimeout(resume, POLL_MS);
      return;
    }
    outbox.resend();
    if (current()) await again();
    refreshHistory();
  }

  wire();
  resume();
}

function ranked({ answers, left }) {
  return fill(left > 1 ? texts.ranking : texts.ranking_last, { answers, left: left - 1 });
}

function endOf(answer) {
  return performance.now() + (answer.seconds_left ?? 0) * 1000;
}
