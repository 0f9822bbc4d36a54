// One way to talk to the REST API: same origin, session cookie, JSON in and out.

export const base = new URL("..", import.meta.url).pathname;

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The service did not answer at all: a dropped network, a restart, a stranger in between. */
export class Unreachable extends Error {}

const PATIENCE_MS = 20000;

/** Calls `/api/v1/<path>`; throws Refused with the server's sentence, or Unreachable. */
export async function call(method, path, body) {
  let answer;
  try {
    answer = await fetch(`${base}api/v1/${path}`, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch (problem) {
    throw new Unreachable(String(problem));
  }
  const data = await answer.json().catch(() => null);
  if (data === null && answer.status < 500) throw new Unreachable("no JSON: not the service's own words");
  if (!answer.ok) throw new Refused(answer.status, data?.error ?? "");
  return data;
}

/** Fills `{name}` marks of an interface text. The result is text, never markup. */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (mark, name) => (name in values ? String(values[name]) : mark));
}

export function clock(seconds) {
  const date = seconds === undefined ? new Date() : new Date(seconds * 1000);
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}
