// Single keys, and when they must not act: while typing, in a window, with a modifier, on key
// repeat, and before the card on screen could have been seen.

const SEEN_MS = 400;
const TYPING = "input, textarea, select, [contenteditable], [role=textbox], [role=combobox]";

/** Calls `actions[key](event)`; `card()` tells what is on screen, or null when nothing can be judged. */
export function listen(actions, card) {
  document.addEventListener("keydown", (event) => {
    const action = actions[event.key];
    if (action === undefined || !free(event)) return;
    if (event.key === "Enter" && actsByItself(event.target)) return;
    if (!action.anytime && !seen(card())) return;
    event.preventDefault();
    action(event);
  });
  document.addEventListener("click", giveUpFocus);
}

/** A button that was clicked with a pointer keeps no focus: Enter would press it once more. */
function giveUpFocus(event) {
  const control = event.target.closest?.("button");
  if (event.detail > 0 && control != null && control === document.activeElement && !control.closest("dialog")) {
    control.blur();
  }
}

function free(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.isComposing) return false;
  if (document.querySelector("dialog[open]")) return false;
  return !event.target.closest?.(TYPING);
}

function actsByItself(target) {
  const control = target.closest?.("a, button, summary");
  return control != null && control.getAttribute("role") !== "radio";
}

export function seen(card) {
  return card !== null && performance.now() - card.shownAt >= SEEN_MS;
}
