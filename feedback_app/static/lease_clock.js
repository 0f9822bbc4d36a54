// The lease on what is on screen: time left, and a renewal while the person is at work.

import { call, fill } from "./client.js";
import texts from "./texts.js";

const IDLE_MS = 60000;
const TICK_MS = 1000;

export class LeaseClock {
  /** `show(text, urgent)` puts the time left on the page. */
  constructor(show) {
    this.show = show;
    this.held = null;
    this.lastInput = 0;
    for (const kind of ["keydown", "pointerdown", "scroll"]) {
      const note = () => (this.lastInput = performance.now());
      document.addEventListener(kind, note, { capture: true, passive: true });
    }
    setInterval(() => this.tick(), TICK_MS);
  }

  /** Counts down to `endsAt` (ms of this page's clock); an id of null holds nothing. */
  hold(id, endsAt = 0) {
    this.held = id === null ? null : { id, endsAt, renewAt: (performance.now() + endsAt) / 2 };
    if (this.held === null) this.show("", false);
    else this.tick();
  }

  tick() {
    if (this.held === null) return;
    const left = Math.round((this.held.endsAt - performance.now()) / 1000);
    if (left <= 0) this.show(texts.lease_over, true);
    else {
      const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      this.show(fill(texts.lease, { time }), left < 60);
    }
    const atWork = performance.now() - this.lastInput < IDLE_MS && document.visibilityState === "visible";
    if (atWork && performance.now() > this.held.renewAt) this.renew(this.held);
  }

  async renew(held) {
    held.renewAt = performance.now() + IDLE_MS;
    const lease = await call("POST", `leases/${held.id}/renew`).catch(() => null);
    if (lease === null) return;
    held.endsAt = performance.now() + lease.seconds_left * 1000;
    held.renewAt = performance.now() + lease.seconds_left * 500;
  }
}
