// How long a person has really looked.

/** Counts the milliseconds for which this tab has been visible since `restart`. */
export function activeClock() {
  let sum = 0;
  let since = 0;
  const visible = () => document.visibilityState === "visible";
  const running = () => (since === null ? 0 : performance.now() - since);
  document.addEventListener("visibilitychange", () => {
    sum += running();
    since = visible() ? performance.now() : null;
  });
  return {
    restart() {
      sum = 0;
      since = visible() ? performance.now() : null;
    },
    read: () => Math.round(sum + running()),
  };
}
