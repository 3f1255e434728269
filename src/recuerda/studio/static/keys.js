// The keyboard: j and k go through the entries of a page, Enter opens one, / searches, g goes to a turn,
// ? shows the help.
// Single keys can be switched off in the help, because they disturb people who speak to their computer.

const SWITCH = "recuerda-keys";
const help = document.getElementById("keys");
const box = help?.querySelector("[data-keys-on]");

function isOn() {
  return localStorage.getItem(SWITCH) !== "off";
}

// A box to tick takes no text. The box of the help keeps the focus until the browser draws the page without the help.
const WRITTEN = "input:not([type=checkbox], [type=radio]), select, textarea";

function isWriting(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches(WRITTEN));
}

function items() {
  return [...document.querySelectorAll("[data-item]")];
}

function go(step) {
  const all = items();
  const at = all.findIndex((item) => item.contains(document.activeElement));
  const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step))];
  if (!next) return;
  const target = next.querySelector("a[href], summary, button") ?? next;
  if (target === next) next.tabIndex = -1;
  target.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

const KEYS = {
  j: () => go(1),
  k: () => go(-1),
  "/": () => document.querySelector("[data-search]")?.focus(),
  g: () => document.querySelector("[data-jump]")?.focus(),
  "?": () => help?.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target) || document.querySelector("dialog[open]")) return;
  const action = KEYS[event.key];
  if (!action || (event.key !== "?" && !isOn())) return;
  event.preventDefault();
  action();
});

if (box) {
  box.checked = isOn();
  box.addEventListener("change", () => localStorage.setItem(SWITCH, box.checked ? "on" : "off"));
}

for (const button of document.querySelectorAll("[data-opens]")) {
  button.hidden = false;
  button.addEventListener("click", () => document.getElementById(button.dataset.opens)?.showModal());
}
