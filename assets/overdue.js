// The one script of all pages. Pages are whole without it: it shows times in the browser's zone, has durations tick,
// keeps the list of services live, and adds keys.
"use strict";

const byId = (id) => document.getElementById(id);

// How far the server's clock is ahead of this one, in milliseconds.
let ahead = Number(document.body.dataset.now) - Date.now();
const serverNow = () => Date.now() + ahead;

/* Times */

// A duration as the server says it, in at most two units.
function rough(seconds) {
  seconds = Math.max(0, Math.floor(seconds));
  const two = (large, largeUnit, small, smallUnit) => (small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return two(Math.floor(seconds / 3600), "h", Math.floor(seconds / 60) % 60, "min");
  return two(Math.floor(seconds / 86400), "d", Math.floor(seconds / 3600) % 24, "h");
}

const words = {
  overdue: (at, now) => `${rough(now - at)} late`,
  failed: (at, now) => `failed ${rough(now - at)} ago`,
  late: (at, now) => `${rough(now - at)} into its grace`,
  running: (at, now) => `started ${rough(now - at)} ago`,
  due: (at, now) => `due in ${rough(at - now)}`,
  first: (at, now) => `first due in ${rough(at - now)}`,
  left: (at, now) => rough(at - now),
  ago: (at, now) => `${rough(now - at)} ago`,
};

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tick() {
  const now = serverNow() / 1000;
  for (const element of document.querySelectorAll("[data-mode]")) {
    const word = words[element.dataset.mode];
    if (word) setText(element, word(Number(element.dataset.at), Math.floor(now)));
  }
  for (const track of document.querySelectorAll(".track[data-from]")) {
    const { from, to } = track.dataset;
    const done = Math.min(100, Math.max(0, ((now - from) * 100) / Math.max(1, to - from)));
    const width = `${done.toFixed(1)}%`;
    const bar = track.querySelector(".done");
    if (bar.getAttribute("width") !== width) bar.setAttribute("width", width);
  }
  for (const element of document.querySelectorAll("[data-swept]")) {
    setText(element, `${Math.max(0, now - Number(element.dataset.swept) / 1000).toFixed(1)} s`);
  }
  for (const element of document.querySelectorAll("[data-heard]")) setText(element, rough(now - Number(element.dataset.heard)));
}

const today = (time) => new Date(serverNow()).toDateString() === time.toDateString();
const shows = {
  minutes: (time) => time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
  day: (time) => time.toLocaleDateString([], { day: "numeric", month: "short" }),
  moment: (time) => {
    const clock = time.toLocaleTimeString([], { hourCycle: "h23" });
    const isThisYear = new Date(serverNow()).getFullYear() === time.getFullYear();
    const day = () => (isThisYear ? shows.day(time) : time.toLocaleDateString([], { dateStyle: "medium" }));
    return today(time) ? clock : `${day()} ${clock}`;
  },
  full: (time) => time.toLocaleString([], { dateStyle: "medium", timeStyle: "medium" }),
};

// Shows times in the browser's zone, and what they are in UTC where the pointer rests.
function localize(root) {
  for (const element of root.querySelectorAll("time[datetime][data-show]")) {
    const time = new Date(element.dateTime);
    if (Number.isNaN(time.getTime())) continue;
    const show = element.dataset.show;
    const clock = (shows[show] || shows.full)(time);
    setText(element, show === "minutes" && !today(time) ? `${shows.day(time)} ${clock}` : clock);
    element.title = time.toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC");
  }
  // What a drawing says where the pointer rests begins with the time in UTC.
  for (const element of root.querySelectorAll("title[data-at]")) {
    const time = new Date(element.dataset.at);
    if (time.getTimezoneOffset() !== 0) element.prepend(`${shows.moment(time)}, `);
    element.removeAttribute("data-at");
  }
}

/* The list */

const rows = byId("rows");
const waiting = byId("waiting");
let pendingOrder = null;
let pointed = false;

const keyOf = (row) => row.dataset.key;
const rowsByKey = () => new Map(Array.from(rows.children, (row) => [keyOf(row), row]));
// New rows that are not in the list yet.
const unseen = new Map();

// Nothing moves under the pointer, nor while the keyboard is among the rows.
const isHeld = () => pointed || rows.contains(document.activeElement);

function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

// Makes `old` what `fresh` is, and touches nothing that is the same, so that focus and selection stay.
function patch(old, fresh) {
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of Array.from(old.attributes)) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  const before = Array.from(old.children);
  const after = Array.from(fresh.children);
  if (before.length !== after.length) return old.replaceChildren(...after);
  after.forEach((child, place) => {
    const was = before[place];
    if (was.isEqualNode(child)) return;
    if (was.contains(document.activeElement) && was.children.length === child.children.length && was.tagName === child.tagName) {
      patch(was, child);
      if (child.children.length === 0) setText(was, child.textContent);
    } else {
      was.replaceWith(child);
    }
  });
}

function takeRows(changed) {
  const known = rowsByKey();
  for (const [key, html] of changed) {
    const fresh = parsed(html);
    const old = known.get(key);
    if (!old) {
      unseen.set(key, fresh);
      continue;
    }
    if (old.dataset.stamp === fresh.dataset.stamp) continue;
    localize(fresh);
    patch(old, fresh);
    flash(old);
  }
}

function flash(row) {
  row.classList.remove("fresh");
  requestAnimationFrame(() => row.classList.add("fresh"));
  row.addEventListener("animationend", () => row.classList.remove("fresh"), { once: true });
}

// How many rows come, go or move.
function movedBy(order) {
  const shown = Array.from(rows.children, keyOf);
  const stays = new Set(shown);
  const comes = new Set(order);
  const before = shown.filter((key) => comes.has(key));
  const after = order.filter((key) => stays.has(key));
  let moved = order.length - after.length + shown.length - before.length;
  // What is left of each once it no longer stands behind what it stood behind has moved.
  const place = new Map(after.map((key, index) => [key, index]));
  const tops = [];
  for (const key of before) {
    const at = place.get(key);
    let low = 0;
    let high = tops.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (tops[middle] < at) low = middle + 1;
      else high = middle;
    }
    tops[low] = at;
  }
  moved += before.length - tops.length;
  return moved;
}

function settle() {
  if (!pendingOrder) return;
  const moved = movedBy(pendingOrder);
  if (moved > 0 && isHeld()) {
    const comes = new Set(pendingOrder);
    for (const row of rows.children) row.classList.toggle("gone", !comes.has(keyOf(row)));
    setText(waiting.firstElementChild, `${moved} ${moved === 1 ? "change" : "changes"} ↑`);
    waiting.hidden = false;
    return;
  }
  reorder();
}

function reorder() {
  const known = rowsByKey();
  const order = pendingOrder;
  pendingOrder = null;
  waiting.hidden = true;
  const comes = new Set(order);
  for (const [key, row] of known) if (!comes.has(key)) row.remove();
  let next = rows.firstElementChild;
  for (const key of order) {
    let row = known.get(key);
    if (!row) {
      row = unseen.get(key);
      if (!row) continue;
      localize(row);
    }
    row.classList.remove("gone");
    if (row === next) next = next.nextElementSibling;
    else rows.insertBefore(row, next);
  }
  unseen.clear();
}

function takePage(event) {
  ahead = event.now - Date.now();
  if (event.title !== undefined) document.title = event.title;
  if (event.icon !== undefined && !byId("icon").href.endsWith(event.icon)) byId("icon").href = event.icon;
  for (const [id, html] of [["headline", event.headline], ["chips", event.chips], ["tail", event.tail]]) {
    if (html === undefined) continue;
    const fresh = document.createElement("div");
    fresh.innerHTML = html;
    const old = byId(id);
    if (fresh.innerHTML !== old.dataset.shown) {
      old.dataset.shown = fresh.innerHTML;
      if (old.innerHTML !== fresh.innerHTML) old.replaceChildren(...fresh.childNodes);
    }
  }
  if (event.empty !== undefined) {
    byId("empty").hidden = !event.empty;
    byId("list").hidden = event.empty;
  }
  if (event.rows) takeRows(event.rows);
  if (event.order) pendingOrder = event.order;
  settle();
  tick();
}

function takePulse(event) {
  ahead = event.now - Date.now();
  const foot = byId("vitals");
  foot.innerHTML = event.foot;
  localize(foot);
  const banner = byId("banner");
  banner.hidden = !event.banner;
  setText(banner, event.banner || "");
  heard();
}

/* The connection */

let source = null;
let lastHeard = 0;
let lostAt = 0;
let tries = 0;
let again = 0;

function heard() {
  lastHeard = Date.now();
  tries = 0;
  if (lostAt) {
    lostAt = 0;
    byId("lost").hidden = true;
  }
}

function lost() {
  if (!lostAt) lostAt = lastHeard || Date.now();
  byId("lost").hidden = false;
}

function connect() {
  clearTimeout(again);
  if (source) source.close();
  source = new EventSource(document.body.dataset.live + location.search);
  source.addEventListener("page", (event) => takePage(JSON.parse(event.data)));
  source.addEventListener("pulse", (event) => takePulse(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    lost();
    // An answer that is no stream ends it for good: it is tried again, later each time.
    if (source.readyState === EventSource.CLOSED) retry();
  });
}

function retry() {
  const pause = Math.min(30000, 1000 * 2 ** tries) * (0.75 + Math.random() / 2);
  tries += 1;
  clearTimeout(again);
  again = setTimeout(async () => {
    try {
      const answer = await fetch(document.body.dataset.live + location.search, { method: "HEAD" });
      // The session is over: the page itself leads to the login.
      if (answer.status === 401 || answer.status === 403) return location.reload();
      if (answer.ok) return connect();
    } catch {
      // Nobody is there yet.
    }
    retry();
  }, pause);
}

function watch() {
  rows.addEventListener("pointerenter", (event) => {
    pointed = event.pointerType === "mouse";
  });
  rows.addEventListener("pointerleave", () => {
    pointed = false;
    settle();
  });
  rows.addEventListener("focusout", () => setTimeout(settle, 0));
  waiting.firstElementChild.addEventListener("click", () => {
    if (pendingOrder) reorder();
  });
  setInterval(() => {
    // A connection that says nothing is as good as lost.
    if (lastHeard && Date.now() - lastHeard > 5000) lost();
    if (lostAt) setText(byId("lost-since"), `What is shown is ${rough((Date.now() - lostAt) / 1000)} old.`);
    if (lastHeard && Date.now() - lastHeard > 15000 && source.readyState === EventSource.OPEN) {
      lastHeard = Date.now();
      connect();
    }
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && lostAt) connect();
  });
  lastHeard = Date.now();
  connect();
}

/* Search */

function search() {
  const input = byId("search");
  let later = 0;
  const apply = () => {
    const query = new URLSearchParams(location.search);
    query.delete("after");
    if (input.value.trim()) query.set("search", input.value.trim());
    else query.delete("search");
    const text = query.toString();
    if (`?${text}` === location.search || (text === "" && location.search === "")) return;
    history.replaceState(null, "", text ? `/?${text}` : "/");
    connect();
  };
  input.addEventListener("input", () => {
    clearTimeout(later);
    later = setTimeout(apply, 200);
  });
  input.form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(later);
    apply();
  });
}

/* Keys */

function keys() {
  const help = byId("help");
  const input = byId("search");
  const links = () => Array.from(rows.querySelectorAll(".name a"));
  const move = (by) => {
    const all = links();
    if (all.length === 0) return;
    const at = all.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by));
    all[next].focus();
    all[next].closest("li").scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const isTyping = event.target.matches("input, textarea, select");
    if (event.key === "Escape") {
      if (isTyping && input.value) {
        input.value = "";
        input.dispatchEvent(new Event("input"));
      } else {
        document.activeElement.blur();
      }
      return;
    }
    if (isTyping) {
      if (event.key === "ArrowDown" && event.target === input) {
        event.preventDefault();
        move(1);
      }
      return;
    }
    const action = { "/": () => input.focus(), j: () => move(1), k: () => move(-1), "?": () => help.showModal() }[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
  });
}

// A button beside each line that is there to be copied.
function copies() {
  if (!navigator.clipboard) return;
  for (const pre of document.querySelectorAll(".empty pre")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copies";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(pre.querySelector("code").textContent);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
    pre.append(button);
  }
}

localize(document);
tick();
setInterval(tick, 1000);
copies();
if (rows && document.body.dataset.live) {
  watch();
  search();
  keys();
}
