// Two answers side by side scroll together, each by its own share, so that what is compared stays
// in sight. Stacked on a narrow screen they scroll apart.

export function scrollTogether(first, second) {
  let driven = null;
  const follow = (leader, follower) => () => {
    if (leader === driven) {
      driven = null;
      return;
    }
    if (leader.getBoundingClientRect().top !== follower.getBoundingClientRect().top) return;
    const share = leader.scrollTop / (leader.scrollHeight - leader.clientHeight);
    const wanted = Math.round(share * (follower.scrollHeight - follower.clientHeight));
    if (!(Math.abs(follower.scrollTop - wanted) >= 1)) return;
    driven = follower;
    follower.scrollTop = wanted;
  };
  first.addEventListener("scroll", follow(first, second), { passive: true });
  second.addEventListener("scroll", follow(second, first), { passive: true });
}
