// Fills the header of the Gradio pages: where this person may go, who they are, the way out.

import { base, call } from "./client.js";
import texts from "./texts.js";

const PAGES = {
  annotate: ["annotator", "operator"],
  data: ["operator"],
  operate: ["operator"],
  reward: ["operator"],
  evaluation: ["operator"],
  checkpoints: ["annotator", "operator", "reader"],
};

function link(href, text) {
  const anchor = document.createElement("a");
  anchor.href = href;
  anchor.textContent = text;
  return anchor;
}

function brand() {
  const anchor = link(base, "");
  anchor.className = "brand";
  const icon = document.createElement("img");
  icon.src = `${base}static/icon.svg`;
  icon.alt = "";
  const name = document.createElement("span");
  name.textContent = texts.product;
  anchor.append(icon, name);
  anchor.setAttribute("aria-label", texts.product);
  return anchor;
}

function navigation(role) {
  const nav = document.createElement("nav");
  nav.setAttribute("aria-label", texts.product);
  for (const [page, roles] of Object.entries(PAGES)) {
    if (!roles.includes(role)) continue;
    const anchor = link(`${base}${page}/`, texts.navigation[page]);
    if (location.pathname.startsWith(`${base}${page}`)) anchor.setAttribute("aria-current", "page");
    nav.append(anchor);
  }
  return nav;
}

function account(name) {
  const who = document.createElement("div");
  who.className = "who";
  const anchor = link(`${base}account`, name);
  anchor.title = texts.account;
  const leave = document.createElement("form");
  leave.method = "post";
  leave.action = `${base}sign-out`;
  const button = document.createElement("button");
  button.textContent = texts.sign_out;
  leave.append(button);
  who.append(anchor, leave);
  return who;
}

async function fillHeader(header) {
  header.replaceChildren(brand());
  const me = await call("GET", "me").catch(() => null);
  if (me !== null) header.append(navigation(me.role), account(me.name));
}

function whenPresent(selector, then) {
  const found = document.querySelector(selector);
  if (found !== null) {
    then(found);
    return;
  }
  const watcher = new MutationObserver(() => {
    const element = document.querySelector(selector);
    if (element === null) return;
    watcher.disconnect();
    then(element);
  });
  watcher.observe(document.body, { childList: true, subtree: true });
}

document.documentElement.lang = "en";
whenPresent("[data-shell]", fillHeader);
