// More entries when the reader comes near an end of a list. A link `data-more="before"` or `"after"` leads to the page
// with the next entries, so the list can be read without a script. This module fetches that page and moves its entries
// into the list `data-entries`. The page keeps the entries around the reader alone: entries far away are taken out, and
// the link on their side leads to them again. The text that a person reads does not move.

const NEAR = "800px 0px";
const MOST = 120; // entries of a page, four pages of the server
const list = document.querySelector("[data-entries]");
const said = document.querySelector("[data-said]");
const links = Object.fromEntries([...document.querySelectorAll("[data-more]")].map((link) => [link.dataset.more, link]));
let isLoading = false;

const watcher = new IntersectionObserver((seen) => {
  const near = seen.find((entry) => entry.isIntersecting);
  if (near) void load(near.target);
}, { rootMargin: NEAR });

// To observe a link anew asks again whether it is near.
function watch() {
  watcher.disconnect();
  for (const link of Object.values(links)) if (link.hasAttribute("href")) watcher.observe(link);
}

async function load(link) {
  if (isLoading) return;
  isLoading = true;
  watcher.disconnect();
  link.setAttribute("aria-busy", "true");
  const address = new URL(link.href);
  address.searchParams.set("part", "turns");
  try {
    const answer = await fetch(address, { headers: { accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    put(new DOMParser().parseFromString(await answer.text(), "text/html"), link.dataset.more);
    requestAnimationFrame(watch);
  } catch {
    said.textContent = said.dataset.failed;
  }
  link.removeAttribute("aria-busy");
  isLoading = false;
}

function put(page, place) {
  const known = new Set([...list.children].map((entry) => entry.dataset.key));
  const found = [...page.querySelector("[data-entries]").children].filter((entry) => !known.has(entry.dataset.key));
  const read = [...list.children].find((entry) => entry.getBoundingClientRect().bottom > 0);
  const top = read?.getBoundingClientRect().top;
  const adopted = found.map((entry) => document.adoptNode(entry));
  if (place === "before") list.prepend(...adopted);
  else list.append(...adopted);
  lead(place, page.querySelector(`[data-more="${place}"]`).getAttribute("href"));
  trim(place === "before" ? "after" : "before");
  if (read) hold(read, top);
}

// Lets a link lead to an address, or hides it when there is nothing more.
function lead(place, address) {
  const link = links[place];
  const isBehind = place === "after" && !address && Number(list.dataset.newest) > Number(list.lastElementChild.dataset.key);
  const href = isBehind ? addressOf("after") : address;
  if (href) link.setAttribute("href", href);
  else link.removeAttribute("href");
  link.closest(".more").hidden = !href;
}

// The address of what comes before the first entry of the list, or after the last one.
function addressOf(place) {
  const { dataset } = place === "before" ? list.firstElementChild : list.lastElementChild;
  return `${location.pathname}?${place === "before" ? `before=${dataset.key}` : `from=${Number(dataset.key) + 1}`}`;
}

function trim(place) {
  if (list.children.length <= MOST) return;
  while (list.children.length > MOST) (place === "before" ? list.firstElementChild : list.lastElementChild).remove();
  lead(place, addressOf(place));
}

// Most browsers hold the text in place by themselves; at the very top of a page none does.
function hold(entry, top) {
  const moved = entry.getBoundingClientRect().top - top;
  if (Math.abs(moved) > 1) window.scrollBy({ top: moved, behavior: "instant" });
}

// Goes to where a reader begins. An entry has its height only once it is near, so its place is checked frame by frame.
// Entries beside those of the page are not wanted before.
function begin(frames = 10) {
  const place = list.dataset.begin; // "start" or "end"
  const entry = location.hash ? null : place === "start" ? list.firstElementChild : list.lastElementChild;
  const before = window.scrollY;
  entry?.scrollIntoView({ block: place });
  const isThere = !entry || window.scrollY === before;
  requestAnimationFrame(isThere || !frames ? watch : () => begin(frames - 1));
}

if (links.before) {
  list.addEventListener("added", () => trim("before"));
  begin();
}
