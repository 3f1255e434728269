// More entries when the reader comes near the end of a list. A link `data-more="before"` or `"after"` leads to the page
// with the next entries, so the list can be read without a script. This module fetches that page, moves its entries into
// the list `data-entries`, and takes the place of the link from there. The text that a person reads does not move.

const NEAR = "800px 0px";
const said = document.querySelector("[data-said]");

const watcher = new IntersectionObserver((seen) => {
  for (const entry of seen) if (entry.isIntersecting) void load(entry.target);
}, { rootMargin: NEAR });

async function load(link) {
  watcher.unobserve(link);
  if (link.dataset.loading) return;
  link.dataset.loading = "yes";
  link.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(link.href, { headers: { accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    put(new DOMParser().parseFromString(await answer.text(), "text/html"), link);
  } catch {
    delete link.dataset.loading;
    link.removeAttribute("aria-busy");
    said.textContent = said.dataset.failed;
  }
}

function put(page, link) {
  const list = document.querySelector("[data-entries]");
  const place = link.dataset.more;
  const known = new Set([...list.children].map((entry) => entry.dataset.key).filter(Boolean));
  const found = [...(page.querySelector("[data-entries]")?.children ?? [])].filter((entry) => !known.has(entry.dataset.key));
  const next = page.querySelector(`[data-more="${place}"]`);
  const first = list.firstElementChild;
  const top = first?.getBoundingClientRect().top ?? 0;
  const hadFocus = document.activeElement === link;
  if (place === "before") list.prepend(...found.map((entry) => document.adoptNode(entry)));
  else list.append(...found.map((entry) => document.adoptNode(entry)));
  if (next) {
    const fresh = document.adoptNode(next);
    link.replaceWith(fresh);
    if (hadFocus) fresh.focus({ preventScroll: true });
    requestAnimationFrame(() => watcher.observe(fresh));
  } else {
    link.closest(".more")?.remove();
  }
  if (place === "before" && first) requestAnimationFrame(() => hold(first, top));
}

// Most browsers hold the text in place by themselves; at the very top of a page none does.
function hold(entry, top) {
  const moved = entry.getBoundingClientRect().top - top;
  if (Math.abs(moved) > 1) window.scrollBy({ top: moved, behavior: "instant" });
}

// The first entries of a page that begins at its end are not wanted before the reader scrolls up to them.
const start = () => document.querySelectorAll("[data-more]").forEach((link) => watcher.observe(link));
const newest = document.querySelector("[data-begin-at-end]");
if (newest && !location.hash) newest.lastElementChild?.scrollIntoView({ block: "end" });
requestAnimationFrame(() => requestAnimationFrame(start));
