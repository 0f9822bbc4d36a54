// Text of people and models enters the page here, as text nodes only. Characters that would deceive
// the reader (bidi controls, zero-width and other control characters) stay where they are, each in
// an isolated box with its code point shown, so that they cannot reorder what is around them.

import { styled } from "./markdown.js";

const DECEIVING =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

export function showText(element, text) {
  element.replaceChildren(...pieces(text));
}

/** As `showText`, with Markdown made readable. */
export function showMarkdown(element, text) {
  element.replaceChildren();
  for (const [part, kind] of styled(text)) {
    if (kind === null) element.append(...pieces(part));
    else {
      const span = document.createElement("span");
      span.className = kind;
      span.append(...pieces(part));
      element.append(span);
    }
  }
}

function* pieces(text) {
  let from = 0;
  for (const match of text.matchAll(DECEIVING)) {
    if (match.index > from) yield document.createTextNode(text.slice(from, match.index));
    yield marked(match[0]);
    from = match.index + match[0].length;
  }
  if (from < text.length) yield document.createTextNode(text.slice(from));
}

function marked(character) {
  const box = document.createElement("span");
  box.className = "code-point";
  box.dataset.code = `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  box.textContent = character;
  return box;
}
