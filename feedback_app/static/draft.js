// What was thought about a comparison and not saved yet: it survives a reload, and the opening of
// an earlier rating in between.

const PLACE = "rlhf.drafts";
const KEPT = 4;

export function keepDraft(submissionId, thoughts) {
  const others = drafts().filter((draft) => draft.submissionId !== submissionId);
  sessionStorage.setItem(PLACE, JSON.stringify([{ submissionId, ...thoughts }, ...others].slice(0, KEPT)));
}

/** What was thought under this submission id, if anything. */
export function draftOf(submissionId) {
  return drafts().find((draft) => draft.submissionId === submissionId);
}

function drafts() {
  return JSON.parse(sessionStorage.getItem(PLACE) ?? "[]");
}
