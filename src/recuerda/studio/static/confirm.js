// Confirmations work without a script, as an element that opens. This module adds what people expect of a dialog:
// the first input has the focus, Escape and Cancel close it, a click beside it closes it, and a form is sent once.

function close(box, { focus = false } = {}) {
  box.open = false;
  if (focus) box.querySelector("summary").focus();
}

document.addEventListener("toggle", (event) => {
  const box = event.target;
  if (!(box instanceof HTMLDetailsElement) || !box.matches("[data-confirm]") || !box.open) return;
  box.querySelector("[data-cancel]")?.removeAttribute("hidden");
  for (const other of document.querySelectorAll("[data-confirm][open]")) if (other !== box) close(other);
  box.querySelector("form :is(input:not([type=hidden]), textarea, select, button)")?.focus();
}, true);

document.addEventListener("keydown", (event) => {
  const box = event.key === "Escape" && document.querySelector("[data-confirm][open]");
  if (box) close(box, { focus: box.contains(document.activeElement) });
});

document.addEventListener("click", (event) => {
  for (const box of document.querySelectorAll("[data-confirm][open]")) {
    if (event.target.closest("[data-cancel]") && box.contains(event.target)) close(box, { focus: true });
    else if (!box.contains(event.target)) close(box);
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});

// A page that the browser kept may send its forms again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
