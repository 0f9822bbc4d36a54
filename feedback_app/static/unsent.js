// A verdict that was given and not yet acknowledged. It survives a reload of the tab and is sent
// again with the same submission id, so the server stores it once however often it arrives.

const PLACE = "rlhf.unsent";

export function keep(person, path, body, leaseId) {
  sessionStorage.setItem(PLACE, JSON.stringify({ person, path, body, leaseId }));
}

/** The kept verdict of this person, or null; another person's is dropped. */
export function kept(person) {
  const text = sessionStorage.getItem(PLACE);
  if (text === null) return null;
  const unsent = JSON.parse(text);
  if (unsent.person === person) return unsent;
  forget();
  return null;
}

export function forget() {
  sessionStorage.removeItem(PLACE);
}
