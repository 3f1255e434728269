// A page that follows its thread. `data-live` names a stream of server-sent events. An event `turn` holds the HTML of one
// entry: it takes the place of the entry with the same `data-key`, or is added to the list `data-entries`. An event
// `gone` names the key of an entry to take away, and `reload` says that the thread was begun anew. The browser connects
// again by itself when the connection breaks.

const box = document.querySelector("[data-live]");
const said = document.querySelector("[data-said]");

function follow() {
  const source = new EventSource(box.dataset.live);
  source.addEventListener("open", () => {
    box.hidden = false;
    box.classList.remove("lost");
  });
  source.addEventListener("error", () => {
    box.classList.add("lost");
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 5000);
  });
  source.addEventListener("turn", (event) => show(event.data));
  source.addEventListener("reload", () => location.reload());
  source.addEventListener("gone", (event) => find(event.data)?.remove());
  window.addEventListener("pagehide", () => source.close(), { once: true });
}

function list() {
  return document.querySelector("[data-entries]");
}

function find(key) {
  return [...list().children].find((entry) => entry.dataset.key === key);
}

function isAtEnd() {
  return window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 120;
}

// An entry that goes on, such as an unfinished turn: the parts that a person opened stay open.
function renew(old, fresh) {
  if (old.outerHTML === fresh.outerHTML) return;
  const opened = [...old.querySelectorAll("details")].map((part) => part.open);
  fresh.querySelectorAll("details").forEach((part, place) => { part.open ||= opened[place] ?? false; });
  old.replaceWith(fresh);
}

// A page that has scrolled away from the end of the thread loads what is new there when it comes back; see scroll.js.
function isBehind(key) {
  if (!document.querySelector('[data-more="after"][href]')) return false;
  if (key !== "draft") list().dataset.newest = key;
  return true;
}

function tell() {
  said.textContent = "";
  requestAnimationFrame(() => { said.textContent = said.dataset.added; });
}

function show(html) {
  const entry = new DOMParser().parseFromString(`<ol>${html}</ol>`, "text/html").querySelector("[data-key]");
  if (!entry) return;
  const fresh = document.adoptNode(entry);
  const old = find(fresh.dataset.key);
  if (old) {
    renew(old, fresh);
    return;
  }
  tell();
  if (isBehind(fresh.dataset.key)) return;
  const stays = isAtEnd();
  fresh.classList.add("new");
  list().append(fresh);
  if (!stays) return;
  fresh.scrollIntoView({ block: "end" });
  list().dispatchEvent(new Event("added"));
}

if (box && list()) follow();
