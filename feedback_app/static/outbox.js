// One verdict on its way to the server: kept over a reload, sent until it is acknowledged or
// refused, always with the same submission id, so that the server stores it once.

import { call, clock, fill, Refused } from "./client.js";
import texts from "./texts.js";
import { inWords } from "./trouble.js";
import { forget, keep, kept } from "./unsent.js";

const FIRST_RETRY_S = 2;
const LONGEST_RETRY_S = 30;

export class Outbox {
  /** `say(text, tone)` tells how it goes; `acknowledged()` and `signedOut()` end it. */
  constructor({ say, acknowledged, signedOut }) {
    this.say = say;
    this.acknowledged = acknowledged;
    this.signedOut = signedOut;
    this.person = null;
    this.delivery = null;
    this.stuck = false; // whether the service did not take it at the last try
    this.hurry = () => {};
  }

  get busy() {
    return this.delivery !== null;
  }

  of(person) {
    this.person = person;
  }

  /** Until nothing is on its way. */
  async settled() {
    await this.delivery;
  }

  send(path, verdict) {
    keep(this.person, path, verdict);
    window.addEventListener("beforeunload", askToStay);
    this.say(texts.saving);
    this.delivery = this.deliver(path, verdict);
    this.delivery.then((outcome) => {
      this.delivery = null;
      this.stuck = false;
      window.removeEventListener("beforeunload", askToStay);
      if (outcome === null) this.signedOut();
      else {
        this.say(outcome.text, outcome.tone);
        this.acknowledged();
      }
    });
  }

  /** Sends what a reload interrupted. */
  resend() {
    const unsent = kept(this.person);
    if (unsent !== null) this.send(unsent.path, unsent.body);
  }

  /** What to say of the verdict in the end; null when nobody is signed in any more. */
  async deliver(path, verdict) {
    for (let wait = FIRST_RETRY_S; ; wait = Math.min(2 * wait, LONGEST_RETRY_S)) {
      try {
        const saved = await call("POST", path, verdict);
        forget();
        const values = { time: clock(), revision: saved.revision };
        return { text: fill(saved.revision > 1 ? texts.saved_revision : texts.saved, values), tone: "good" };
      } catch (problem) {
        if (problem instanceof Refused && problem.status === 401) return null;
        if (problem instanceof Refused && problem.status < 500) {
          forget();
          return { text: fill(texts.late, { problem: problem.message }), tone: "bad" };
        }
        this.stuck = true;
        this.say(fill(texts.unsent, { problem: inWords(problem), seconds: wait }), "bad");
        await this.pause(wait);
      }
    }
  }

  /** Waits, or until the network is back, or until somebody wants to save again. */
  pause(seconds) {
    return new Promise((go) => {
      const done = () => {
        clearTimeout(timer);
        window.removeEventListener("online", done);
        this.hurry = () => {};
        go();
      };
      const timer = setTimeout(done, seconds * 1000);
      window.addEventListener("online", done);
      this.hurry = done;
    });
  }
}

/** A closed tab forgets what it has not sent. */
function askToStay(event) {
  event.preventDefault();
}
