// What the rating page shows. Knows the skeleton of annotate.py and nothing of requests.

import { fill } from "./client.js";
import { scrollTogether } from "./scrolling.js";
import { showMarkdown, showText } from "./text.js";
import texts from "./texts.js";

export const TIE = 4;

export class Card {
  constructor(root) {
    this.root = root;
    this.scale = [...root.querySelectorAll("[data-choice]")];
    this.thumbs = [...root.querySelectorAll("[data-thumb]")];
    this.slot = (name) => root.querySelector(`[data-slot="${name}"]`);
    this.button = (name) => root.querySelector(`[data-act="${name}"]`);
    this.dialog = (name) => root.querySelector(`[data-dialog="${name}"]`);
    scrollTogether(this.slot("left"), this.slot("right"));
  }

  /** Whether one answer is on screen, which is good or bad. */
  get single() {
    return this.root.dataset.shape === "single";
  }

  /** The buttons in force: the scale of seven, or two for a single answer. */
  get choices() {
    return this.single ? this.thumbs : this.scale;
  }

  words(choice) {
    return (this.single ? texts.thumbs : texts.choices)[choice - 1];
  }

  /** "loading", "card", "empty" or "problem": which part of the skeleton is visible. */
  stand(state) {
    this.root.dataset.state = state;
    this.slot("stage").setAttribute("aria-busy", String(state === "loading"));
    if (state === "card") this.announce("");
  }

  /** For those who hear the page: what stands in place of a comparison, once, not at every look. */
  announce(text) {
    const announced = this.slot("announced");
    if (announced.textContent !== text) announced.textContent = text;
  }

  show(item) {
    this.slot("turns").replaceChildren(...turns(item.messages));
    this.root.dataset.shape = item.right === null ? "single" : "pair";
    this.root.querySelector("#answer-a").textContent = this.single ? texts.answer : texts.answer_a;
    showMarkdown(this.slot("left"), item.left);
    showMarkdown(this.slot("right"), item.right ?? "");
    for (const name of ["left", "right"]) this.slot(name).scrollTop = 0;
    this.stand("card");
    const talk = this.slot("conversation");
    talk.scrollTop = talk.scrollHeight;
    window.scrollTo({ top: 0 });
  }

  mark(choice, bothBad) {
    this.choices.forEach((button, place) => {
      const chosen = place + 1 === choice;
      button.setAttribute("aria-checked", String(chosen));
      button.tabIndex = chosen || (choice === null && place === 0) ? 0 : -1;
    });
    this.button("both-bad").setAttribute("aria-pressed", String(bothBad));
    const side = this.side(choice);
    this.root.dataset.side = side === null ? "" : side === "left" ? "a" : "b";
    this.button("save").setAttribute("aria-disabled", String(choice === null));
  }

  /** The side of the better answer; null for a tie, a bad single answer, or no verdict yet. */
  side(choice) {
    if (choice === null) return null;
    if (this.single) return choice === 1 ? "left" : null;
    return choice === TIE ? null : choice < TIE ? "left" : "right";
  }

  say(text, tone = "") {
    const status = this.slot("status");
    status.textContent = text;
    status.dataset.tone = tone;
  }

  /** How the last verdict fares; it stays until the next one. */
  delivery(text, tone = "") {
    const delivery = this.slot("delivery");
    delivery.textContent = text;
    delivery.dataset.tone = tone;
  }

  focusVerdict(choice) {
    this.choices[choice === null ? 0 : choice - 1].focus();
  }

  banner(text) {
    const banner = this.slot("banner");
    banner.hidden = text === "";
    banner.textContent = text;
  }

  /** What a practice item was about: the better answer is marked, the reason stands above. */
  lesson({ better, agreed, explanation }) {
    const words = agreed ? texts.lesson_agreed : texts.lesson_differed;
    this.banner(`${fill(words, { better: better.toUpperCase() })} ${explanation} ${texts.lesson_on}`);
    this.say(texts.lesson_status);
    this.slot("banner").scrollIntoView({ block: "center" });
  }

  /** `looked` says when the queue was last asked: to be read, not announced. */
  empty(title, body, looked) {
    this.slot("empty-title").textContent = title;
    this.slot("empty-body").textContent = body;
    this.slot("empty-looked").textContent = looked;
    this.stand("empty");
    this.say("");
    this.announce(`${title}. ${body}`);
  }

  problem(text) {
    this.slot("problem").textContent = text;
    this.stand("problem");
    this.say("");
    this.announce(text);
  }

  progress({ today, total }) {
    this.slot("progress").textContent = fill(texts.progress, { today, total });
  }

  lease(text, urgent) {
    const lease = this.slot("lease");
    lease.textContent = text;
    lease.dataset.urgent = String(urgent);
  }
}

/** The conversation as list items; the last message, the one to be answered, is marked. */
function turns(messages) {
  return messages.map((message, place) => {
    const turn = document.createElement("li");
    const last = place === messages.length - 1;
    turn.className = "turn";
    turn.dataset.role = message.role in texts.role ? message.role : "other";
    if (last) turn.setAttribute("aria-current", "true");
    const who = document.createElement("span");
    who.className = "turn-role";
    who.textContent = texts.role[message.role] ?? "";
    if (who.textContent === "") showText(who, message.role);
    if (last) who.append(` · ${texts.asked}`);
    const said = document.createElement("div");
    said.className = "turn-text";
    said.dir = "auto";
    showMarkdown(said, message.content);
    turn.append(who, said);
    return turn;
  });
}
