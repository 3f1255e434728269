// The chat pane. A message is sent by fetch, and the answer comes as lines of JSON, one for each event of the run. When
// the run has ended, the part of the page with the turns is loaded anew, so it always shows what the thread holds.
// "Stop" ends the request, and with it the run. Text is only ever set as text, never as HTML.

const form = document.querySelector("[data-chat]");
const box = document.querySelector("[data-chat-run]");
const stop = form?.querySelector("[data-stop]");
const send = form?.querySelector("[data-send]");
const message = form?.querySelector("[data-message]");
const said = document.querySelector("[data-said]");
const words = form?.dataset;
let running = null;

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function say(text) {
  said.textContent = "";
  requestAnimationFrame(() => { said.textContent = text; });
}

function bubble(role, who) {
  const section = make("section", `message message-${role}`);
  section.append(make("h3", "", who));
  box.append(section);
  return section;
}

// Shows the events of one run.
class Answer {
  constructor() {
    this.section = null;
    this.open = null;
    this.calls = new Map();
    this.hasEnded = false;
    this.hasFailed = false;
  }

  place() {
    return (this.section ??= bubble("assistant", words.agent));
  }

  text(event) {
    if (this.open?.kind !== event.kind) {
      const element = make("div", "text");
      element.dir = "auto";
      if (event.kind === "reasoning") {
        const details = make("details", "reasoning");
        details.append(make("summary", "", words.reasoning), element);
        this.place().append(details);
      } else this.place().append(element);
      this.open = { kind: event.kind, element };
    }
    if (event.is_whole) this.open.element.textContent = event.text;
    else this.open.element.append(event.text);
  }

  call(event) {
    this.open = null;
    const shown = typeof event.arguments === "string" ? event.arguments : JSON.stringify(event.arguments);
    const details = make("details", "call call-none");
    const summary = make("summary");
    const badge = make("span", "badge badge-warn", event.kind === "approval" ? words.waits : words.calling);
    summary.append(make("span", "call-name", event.name), " ", make("span", "call-arguments", shown), " ", badge);
    details.append(summary, make("pre", "json", shown));
    this.calls.get(event.call_id)?.details.remove();
    this.calls.set(event.call_id, { details, badge });
    this.place().append(details);
  }

  result(event) {
    const known = this.calls.get(event.call_id);
    if (!known) return;
    known.details.className = `call call-${event.is_error ? "error" : "done"}`;
    known.badge.className = `badge badge-${event.is_error ? "bad" : "ok"}`;
    known.badge.textContent = event.is_error ? words.error : words.ok;
    const text = typeof event.result === "string" ? event.result : JSON.stringify(event.result, null, 2);
    known.details.append(make("pre", "json", text ?? ""));
  }

  failed(text) {
    this.hasFailed = true;
    box.append(make("p", "chat-failed", text));
    say(text);
  }

  take(event) {
    if (event.kind === "text" || event.kind === "reasoning") this.text(event);
    else if (event.kind === "call" || event.kind === "approval") this.call(event);
    else if (event.kind === "result") this.result(event);
    else if (event.kind === "failed") this.failed(event.text);
    if (["committed", "approval", "decided", "failed"].includes(event.kind)) this.hasEnded = true;
  }
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

// The words of an answer that is no stream: the page of an error.
async function fault(response) {
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return page.querySelector(".error .text")?.textContent ?? `${response.status}`;
}

async function refresh() {
  const response = await fetch(location.href);
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const place of ["[data-chat-state]", ".top"]) {
    document.querySelector(place).replaceWith(document.adoptNode(page.querySelector(place)));
  }
}

// After a stop, the run still saves its answer so far. The turns are loaded until there is one more.
async function refreshAfterStop() {
  const shown = () => document.querySelectorAll("[data-chat-state] .turn").length;
  const before = shown();
  for (const pause_ms of [100, 300, 900, 1800]) {
    await new Promise((resume) => { setTimeout(resume, pause_ms); });
    await refresh();
    if (shown() !== before) return;
  }
}

async function run(address, body, asked) {
  box.replaceChildren();
  box.hidden = false;
  if (asked) bubble("user", words.user).append(make("div", "text", asked));
  const answer = new Answer();
  running = new AbortController();
  setRunning(true);
  say(words.running);
  try {
    const response = await fetch(address, { method: "POST", body, signal: running.signal });
    if (!response.ok) answer.failed(await fault(response));
    else for await (const event of events(response)) answer.take(event);
    if (!answer.hasEnded && !answer.hasFailed) answer.failed(words.lost);
  } catch (error) {
    if (error.name === "AbortError") say(words.stopped);
    else answer.failed(words.lost);
  }
  const isStopped = running.signal.aborted;
  running = null;
  await (isStopped ? refreshAfterStop() : refresh()).catch(() => {});
  setRunning(false);
  if (!answer.hasFailed) {
    box.replaceChildren();
    box.hidden = true;
    if (!isStopped) say(words.answered);
  }
  form.scrollIntoView({ block: "nearest" });
}

function setRunning(is) {
  stop.hidden = !is;
  send.disabled = is;
  for (const sent of document.querySelectorAll("form[data-sent]")) delete sent.dataset.sent;
  if (!is) message.focus();
}

document.addEventListener("submit", (event) => {
  const sent = event.target;
  const place = sent.closest("[data-decide-stream]");
  if (!form || (sent !== form && !place)) return;
  event.preventDefault();
  if (running) return;
  const body = new FormData(sent, event.submitter);
  const asked = sent === form ? message.value : "";
  if (sent === form) form.reset();
  run(place ? place.dataset.decideStream : words.stream, body, asked);
});

stop?.addEventListener("click", () => running?.abort());

message?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  if (event.key === "Escape") running?.abort();
});
