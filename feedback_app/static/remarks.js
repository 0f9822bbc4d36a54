// What may be said beside the verdict: attributes, a reason, and the better answer as the person
// would have written it. Edits are kept per answer, and the better one's alone is sent.

const SHOWN = "rlhf.remarks";

export class Remarks {
  /** `changed()` after every change, `save()` on Ctrl+Enter, `back()` when a field is left by Esc. */
  constructor(root, { changed, save, back }) {
    this.root = root;
    this.changed = changed;
    this.panel = root.querySelector('[data-slot="remarks"]');
    this.reason = root.querySelector('[data-slot="reason"]');
    this.buttons = [...root.querySelectorAll("[data-attribute]")];
    this.editors = { left: editor(root, "left"), right: editor(root, "right") };
    this.texts = { left: "", right: "" };
    this.edits = { left: null, right: null };
    this.attributes = {};
    this.side = null;
    this.wire(save, back);
    this.show(localStorage.getItem(SHOWN) === "true");
  }

  wire(save, back) {
    for (const field of [this.reason, this.editors.left, this.editors.right]) {
      field.addEventListener("input", () => this.noted());
      field.addEventListener("keydown", (event) => {
        if (event.key === "Escape") {
          event.preventDefault();
          event.stopPropagation();
          back();
        } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          save();
        }
      });
    }
    for (const button of this.buttons) button.addEventListener("click", () => this.compare(button));
    for (const button of this.root.querySelectorAll("[data-act=unedit]")) {
      button.addEventListener("click", () => this.unedit(button.dataset.side));
    }
  }

  /** A new comparison with these texts, and what was thought about it before a reload. */
  begin(shown, thoughts) {
    this.texts = shown;
    this.edits = thoughts?.edits ?? { left: null, right: null };
    this.attributes = thoughts?.attributes ?? {};
    this.reason.value = thoughts?.reason ?? "";
    this.render();
  }

  /** Whoever was writing is back at the keys. */
  leave() {
    if (this.root.contains(document.activeElement) && document.activeElement.matches("textarea")) {
      document.activeElement.blur();
    }
  }

  /** A rating that was opened again. */
  recall({ reason, attributes, edited }, side) {
    this.reason.value = reason ?? "";
    this.attributes = attributes;
    if (side !== null) this.edits[side] = edited;
    if (reason || Object.keys(attributes).length > 0) this.show(true);
    this.render();
  }

  /** Which answer is better: "left", "right" or null. */
  better(side) {
    this.side = side;
    this.render();
  }

  thoughts() {
    return { reason: this.reason.value, attributes: this.attributes, edits: this.edits };
  }

  /** The part of a verdict that stands here. */
  said(side) {
    const edit = side === null ? null : this.edits[side];
    const unchanged = edit === null || edit.trim() === "" || edit === this.texts[side];
    return {
      reason: this.reason.value.trim() || null,
      attributes: this.attributes,
      edited: unchanged ? null : edit,
    };
  }

  toggle() {
    this.show(this.panel.hidden);
    if (!this.panel.hidden) this.open();
  }

  open() {
    this.show(true);
    this.reason.focus();
    this.panel.scrollIntoView({ block: "nearest" });
  }

  edit(side) {
    this.edits[side] ??= this.texts[side];
    this.noted();
    const field = this.editors[side];
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }

  unedit(side) {
    this.edits[side] = null;
    this.render();
    this.changed();
  }

  compare(button) {
    const { attribute, side } = button.dataset;
    if (this.attributes[attribute] === side) delete this.attributes[attribute];
    else this.attributes[attribute] = side;
    this.render();
    this.changed();
  }

  noted() {
    for (const side of ["left", "right"]) {
      const field = this.editors[side];
      if (!field.hidden) this.edits[side] = field.value;
    }
    this.render();
    this.changed();
  }

  show(shown) {
    this.panel.hidden = !shown;
    localStorage.setItem(SHOWN, String(shown));
    this.root.querySelector("[data-act=why]").setAttribute("aria-expanded", String(shown));
  }

  render() {
    for (const side of ["left", "right"]) {
      const field = this.editors[side];
      const edited = this.edits[side] !== null && this.side === side;
      field.closest(".answer").dataset.edited = String(edited);
      field.hidden = !edited;
      if (edited && field.value !== this.edits[side]) field.value = this.edits[side];
    }
    for (const button of this.buttons) {
      const { attribute, side } = button.dataset;
      button.setAttribute("aria-pressed", String(this.attributes[attribute] === side));
    }
  }
}

function editor(root, side) {
  return root.querySelector(`[data-edit="${side}"]`);
}
