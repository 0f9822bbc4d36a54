// What went wrong with a request, for people.

import { fill, Refused } from "./client.js";
import texts from "./texts.js";

export function inWords(problem) {
  if (!(problem instanceof Refused)) return texts.unreachable;
  return problem.message || fill(texts.server_error, { status: problem.status });
}
