// The two windows that ask something: why a comparison is skipped, what an operator should look at.

export function askSkip(card) {
  card.dialog("skip").showModal();
}

export function askFlag(card) {
  const dialog = card.dialog("flag");
  dialog.querySelector("textarea").value = "";
  dialog.showModal();
}

/** Calls `skip(reason)` and `flag(note)` when a window is confirmed. */
export function wireDialogs(card, { skip, flag }) {
  for (const name of ["skip", "flag"]) {
    const dialog = card.dialog(name);
    dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  }
  wireSkip(card.dialog("skip"), skip);
  wireFlag(card.dialog("flag"), flag);
}

function wireSkip(dialog, skip) {
  const options = [...dialog.querySelectorAll("input[name=reason]")];
  const note = dialog.querySelector('[data-slot="skip-note"]');
  dialog.addEventListener("keydown", (event) => {
    if (event.target === note) return;
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    const option = options[Number(event.key) - 1];
    if (option !== undefined) {
      option.checked = true;
      option.focus();
    }
  });
  dialog.addEventListener("close", () => {
    const chosen = options.find((option) => option.checked);
    if (dialog.returnValue === "skip" && chosen !== undefined) {
      const more = note.value.trim();
      skip(more === "" ? chosen.value : `${chosen.value}: ${more}`);
    }
    dialog.returnValue = "";
    note.value = "";
    options.forEach((option) => (option.checked = option === options[0]));
  });
}

function wireFlag(dialog, flag) {
  const note = dialog.querySelector("textarea");
  note.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (note.reportValidity()) dialog.close("flag");
  });
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "flag" && note.value.trim() !== "") flag(note.value);
    dialog.returnValue = "";
  });
}
