// The rating page: lease, show, choose, save, next. The server is the truth; this page remembers
// only what is on screen and one verdict that is not acknowledged yet.

import { call, clock, fill, Refused } from "./client.js";
import { Card } from "./card.js";
import { showHistory } from "./history.js";
import { listen, seen } from "./keys.js";
import texts from "./texts.js";
import { forget, keep, kept } from "./unsent.js";

const POLL_MS = 8000;
const FIRST_RETRY_S = 2;
const LONGEST_RETRY_S = 30;
const IDLE_MS = 60000;
const HISTORY = 10;

export function start(root) {
  const card = new Card(root);
  let person = null;
  let item = null; // what is on screen: a lease or a rating that was opened again
  let choice = null;
  let bothBad = false;
  let saving = false;
  let poll = 0;
  let lastInput = 0;
  let lastRating = null;
  const active = activeClock();

  // What the person does

  function choose(number) {
    if (saving || !seen(item)) return;
    choice = number;
    card.mark(choice, bothBad);
    sayChoice();
  }

  function nudge(step) {
    const next = choice === null ? (step < 0 ? 3 : 5) : Math.min(7, Math.max(1, choice + step));
    choose(next);
    card.choices[next - 1].focus();
  }

  function toggleBad() {
    if (saving || !seen(item)) return;
    bothBad = !bothBad;
    card.mark(choice, bothBad);
    if (choice === null) card.say(bothBad ? texts.bad_on : texts.bad_off);
    else sayChoice();
  }

  function sayChoice() {
    const text = bothBad ? texts.chosen_bad : texts.chosen;
    card.say(fill(text, { choice: texts.choices[choice - 1] }));
  }

  function save() {
    if (saving || !seen(item)) return;
    if (choice === null) {
      card.say(bothBad ? texts.bad_on : texts.choose_first, "bad");
      return;
    }
    const verdict = { submission_id: item.submissionId, choice, both_bad: bothBad, active_ms: active.read() };
    const path = item.leaseId === null ? `ratings/${item.ratingId}/revise` : "ratings";
    if (item.leaseId !== null) verdict.lease_id = item.leaseId;
    send(path, verdict);
  }

  /** Sends until it is acknowledged or refused; the kept copy outlives a reload. */
  async function send(path, verdict) {
    saving = true;
    keep(person, path, verdict);
    card.say(texts.saving);
    root.dataset.saving = "true";
    const outcome = await deliver(path, verdict);
    saving = false;
    delete root.dataset.saving;
    if (outcome === null) return;
    forget();
    await next();
    card.say(outcome.text, outcome.tone);
    refreshHistory();
  }

  async function deliver(path, verdict) {
    for (let wait = FIRST_RETRY_S; ; wait = Math.min(2 * wait, LONGEST_RETRY_S)) {
      try {
        const saved = await call("POST", path, verdict);
        const values = { time: clock(), revision: saved.revision };
        return { text: fill(saved.revision > 1 ? texts.saved_revision : texts.saved, values), tone: "good" };
      } catch (problem) {
        if (problem instanceof Refused && problem.status === 401) return signedOut();
        if (problem instanceof Refused && problem.status < 500) {
          return { text: fill(texts.late, { problem: problem.message }), tone: "bad" };
        }
        card.say(fill(texts.unsent, { problem: inWords(problem), seconds: wait }), "bad");
        await waitFor(wait);
      }
    }
  }

  function waitFor(seconds) {
    return new Promise((go) => {
      const timer = setTimeout(done, seconds * 1000);
      function done() {
        clearTimeout(timer);
        window.removeEventListener("online", done);
        go();
      }
      window.addEventListener("online", done);
    });
  }

  async function skip(reason) {
    if (saving || item === null || item.leaseId === null) return;
    saving = true;
    try {
      await call("POST", "skips", { lease_id: item.leaseId, reason });
      saving = false;
      await next();
      card.say(texts.skipped);
    } catch (problem) {
      saving = false;
      card.say(inWords(problem), "bad");
    }
  }

  async function reopen(ratingId) {
    if (saving) return;
    if (ratingId === null) {
      card.say(texts.nothing_to_undo);
      return;
    }
    try {
      const rating = await call("GET", `ratings/${ratingId}`);
      present({ ...rating, lease_id: null });
      choice = rating.choice;
      bothBad = rating.both_bad;
      card.mark(choice, bothBad);
      card.banner(fill(texts.reopened, { when: clock(rating.submitted_at) }));
      card.lease("", false);
    } catch (problem) {
      failed(problem);
    }
  }

  async function leaveRevision() {
    if (item === null || item.leaseId !== null || saving) return;
    await next();
    card.say(texts.left_revision);
  }

  // What the server says

  async function next() {
    clearTimeout(poll);
    item = null;
    if (root.dataset.state === "problem") card.stand("loading");
    try {
      const answer = await call("GET", "next");
      card.progress(answer.progress);
      if (answer.empty !== undefined) nothing(answer);
      else {
        present(answer);
        card.say(texts.ready);
      }
    } catch (problem) {
      failed(problem);
    }
  }

  function present(answer) {
    clearTimeout(poll);
    choice = null;
    bothBad = false;
    card.banner("");
    card.mark(null, false);
    card.show({ messages: answer.messages, left: answer.left.text, right: answer.right.text });
    item = {
      leaseId: answer.lease_id,
      ratingId: answer.rating_id ?? null,
      submissionId: answer.submission_id,
      shownAt: performance.now(),
      endsAt: performance.now() + (answer.seconds_left ?? 0) * 1000,
      renewAt: performance.now() + (answer.seconds_left ?? 0) * 500,
    };
    active.restart();
    tick();
  }

  function nothing({ empty, until }) {
    const [title, body] = texts.empty[empty];
    card.lease("", false);
    card.empty(title, fill(body, { until: until == null ? "" : clock(until) }));
    card.say(fill(texts.polling, { time: clock() }));
    poll = setTimeout(next, POLL_MS);
  }

  function failed(problem) {
    if (problem instanceof Refused && problem.status === 401) {
      signedOut();
      return;
    }
    item = null;
    card.problem(fill(texts.load_failed, { problem: inWords(problem) }));
    poll = setTimeout(next, POLL_MS);
  }

  function signedOut() {
    item = null;
    root.dataset.signedOut = "true";
    card.problem(texts.signed_out);
    card.say(texts.signed_out, "bad");
    return null;
  }

  function inWords(problem) {
    if (!(problem instanceof Refused)) return texts.unreachable;
    return problem.message || fill(texts.server_error, { status: problem.status });
  }

  async function refreshHistory() {
    const { ratings } = await call("GET", `ratings/mine?count=${HISTORY}`).catch(() => ({ ratings: null }));
    if (ratings === null) return;
    lastRating = ratings.length > 0 ? ratings[0].rating_id : null;
    showHistory(document.querySelector("[data-slot=history]"), ratings, reopen);
  }

  // The lease: time left, and a renewal while the person is at work

  function tick() {
    if (item === null || item.leaseId === null) return;
    const left = Math.round((item.endsAt - performance.now()) / 1000);
    if (left <= 0) card.lease(texts.lease_over, true);
    else {
      const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      card.lease(fill(texts.lease, { time }), left < 60);
    }
    const atWork = performance.now() - lastInput < IDLE_MS && document.visibilityState === "visible";
    if (atWork && !saving && performance.now() > item.renewAt) renew(item);
  }

  async function renew(held) {
    held.renewAt = performance.now() + IDLE_MS;
    const lease = await call("POST", `leases/${held.leaseId}/renew`).catch(() => null);
    if (lease === null) return;
    held.endsAt = performance.now() + lease.seconds_left * 1000;
    held.renewAt = performance.now() + lease.seconds_left * 500;
  }

  // Wiring

  const always = (action) => Object.assign(action, { anytime: true });
  const undo = always(() => reopen(lastRating));
  const help = always(() => card.dialog("keys").showModal());
  const askSkip = () => {
    if (item !== null && item.leaseId !== null) card.dialog("skip").showModal();
  };

  function wire() {
    card.choices.forEach((button) => {
      const number = Number(button.dataset.choice);
      button.addEventListener("click", () => choose(number));
      button.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
        if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
        event.preventDefault();
        nudge(step);
      });
    });
    const clicks = { "both-bad": toggleBad, save, undo, keys: help, skip: askSkip, retry: resume, again: next };
    for (const [name, action] of Object.entries(clicks)) card.button(name).addEventListener("click", action);
    wireSkip(card, skip);
    const keys = { x: toggleBad, Enter: save, s: askSkip, u: undo, "?": help, Escape: always(leaveRevision) };
    for (let number = 1; number <= 7; number += 1) keys[number] = () => choose(number);
    listen(keys, () => item);
    document.addEventListener("history-opened", refreshHistory);
    for (const kind of ["keydown", "pointerdown", "scroll"]) {
      document.addEventListener(kind, () => (lastInput = performance.now()), { capture: true, passive: true });
    }
    setInterval(tick, 1000);
  }

  async function resume() {
    card.stand("loading");
    try {
      const me = await call("GET", "me");
      person = me.id;
      card.progress(me.progress);
    } catch (problem) {
      failed(problem);
      clearTimeout(poll);
      poll = setTimeout(resume, POLL_MS);
      return;
    }
    const unsent = kept(person);
    if (unsent === null) await next();
    else await send(unsent.path, unsent.body);
    refreshHistory();
  }

  wire();
  resume();
}

/** Counts the milliseconds for which this tab has been visible since `restart`. */
function activeClock() {
  let sum = 0;
  let since = 0;
  const visible = () => document.visibilityState === "visible";
  const running = () => (since === null ? 0 : performance.now() - since);
  document.addEventListener("visibilitychange", () => {
    sum += running();
    since = visible() ? performance.now() : null;
  });
  return {
    restart() {
      sum = 0;
      since = visible() ? performance.now() : null;
    },
    read: () => Math.round(sum + running()),
  };
}

function wireSkip(card, skip) {
  const dialog = card.dialog("skip");
  const options = [...dialog.querySelectorAll("input[name=reason]")];
  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    const option = options[Number(event.key) - 1];
    if (option !== undefined) {
      option.checked = true;
      option.focus();
    }
  });
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    const chosen = options.find((option) => option.checked);
    if (dialog.returnValue === "skip" && chosen !== undefined) skip(chosen.value);
    dialog.returnValue = "";
    options.forEach((option) => (option.checked = option === options[0]));
  });
}
