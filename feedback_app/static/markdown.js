// Markdown as people write it, made readable without taking a character away: headings, emphasis,
// code and quotes are styled where they stand, their marks included. Nothing becomes a link, an
// image or markup, so what is on screen is what the model wrote.

const LONGEST_LINE = 5000;
const FENCE = /^ {0,3}(```+|~~~+)/;
const LINE = [
  ["md-heading", /^ {0,3}#{1,6}\s/],
  ["md-quote", /^ {0,3}>/],
];
const INLINE = new RegExp(
  [
    String.raw`(?<code>(\`+)(?!\`)[^\n]{0,300}?[^\`\n]\2(?!\`))`,
    String.raw`(?<math>\$\$[^$\n]{1,300}\$\$|\$(?![\s\d])[^$\n]{0,300}?[^\s$]\$(?!\d)|\\\([^\n]{1,300}?\\\)|\\\[[^\n]{1,300}?\\\])`,
    String.raw`(?<strong>\*\*(?=\S)[^\n]{0,300}?\S\*\*|__(?=\S)[^\n]{0,300}?\S__)`,
    String.raw`(?<em>(?<![*\w])\*(?![*\s])[^*\n]{0,300}?[^*\s]\*(?![*\w])|(?<![_\w])_(?![_\s])[^_\n]{0,300}?[^_\s]_(?![_\w]))`,
  ].join("|"),
  "g",
);
const STYLED = ["code", "math", "strong", "em"];

/** Pairs [text, class or null] that together are the whole text; neighbours differ in class. */
export function* styled(text) {
  let [said, kind] = ["", null];
  for (const [part, its] of parts(text)) {
    if (its === kind) said += part;
    else {
      if (said !== "") yield [said, kind];
      [said, kind] = [part, its];
    }
  }
  if (said !== "") yield [said, kind];
}

function* parts(text) {
  let fence = null;
  for (const line of text.split(/(?<=\n)/)) {
    const mark = FENCE.exec(line)?.[1];
    if (fence !== null) {
      if (mark?.[0] === fence[0] && mark.length >= fence.length && line.trim() === mark) fence = null;
      yield [line, "md-block"];
    } else if (mark !== undefined) {
      fence = mark;
      yield [line, "md-block"];
    } else {
      const kind = LINE.find(([, begins]) => begins.test(line))?.[0];
      if (kind !== undefined) yield [line, kind];
      else if (line.length > LONGEST_LINE) yield [line, null];
      else yield* inline(line);
    }
  }
}

function* inline(line) {
  let from = 0;
  for (const match of line.matchAll(INLINE)) {
    if (match.index > from) yield [line.slice(from, match.index), null];
    yield [match[0], `md-${STYLED.find((name) => match.groups[name] !== undefined)}`];
    from = match.index + match[0].length;
  }
  if (from < line.length) yield [line.slice(from), null];
}
