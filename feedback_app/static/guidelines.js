// The guidelines: shown before the first rating, and again whenever a new version is in force.

import { call, fill } from "./client.js";
import texts from "./texts.js";

export class Guidelines {
  constructor(card) {
    this.dialog = card.dialog("guidelines");
    this.changed = card.slot("guidelines-changed");
    this.text = card.slot("guidelines-text");
    this.read = null;
    this.shown = null;
    this.dialog.addEventListener("cancel", (event) => event.preventDefault());
    this.dialog.addEventListener("close", () => this.closed());
  }

  /** `version` is in force; somebody who has read an older one, or none, is shown it. */
  async stand(version) {
    if (version === undefined || this.dialog.open || this.read === version) return;
    const stand = await call("GET", "guidelines").catch(() => null);
    if (stand === null || this.dialog.open) return;
    this.shown = stand.version;
    this.changed.hidden = stand.changed === null || this.read === null;
    this.changed.textContent = fill(texts.guidelines_changed, stand);
    this.text.innerHTML = stand.html; // made from Markdown by the service, markup in it as text
    this.dialog.returnValue = "";
    this.dialog.showModal();
    this.text.scrollTop = 0;
  }

  /** A browser closes a window at the second Escape, whatever the page says to it. */
  closed() {
    if (this.dialog.returnValue === "read") this.confirm();
    else this.dialog.showModal();
  }

  async confirm() {
    this.read = this.shown;
    await call("POST", "guidelines/read", { version: this.shown }).catch(() => (this.read = null));
  }
}
