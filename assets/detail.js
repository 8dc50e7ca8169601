// What the pages of one service, of alerts and of reports add to the script of all pages: lines are copied, and a
// service's page stays live. Without it they are whole.
"use strict";

{
  // A button beside each line that is there to be copied.
  for (const line of document.querySelectorAll(".copy")) {
    if (!navigator.clipboard) break;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "small";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      let word = "Copied";
      try { await navigator.clipboard.writeText(line.querySelector("code").textContent); } catch { word = "Not allowed"; }
      button.textContent = word;
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    line.append(button);
  }

  const live = document.getElementById("live");

  // Puts a section in place of what was there; what is open stays open, and what is being read or filled in waits.
  const waiting = new Map();
  const isBusy = section => {
    const selection = getSelection();
    const marks = selection && !selection.isCollapsed && section.contains(selection.anchorNode);
    return marks || (section.contains(document.activeElement) && document.activeElement.matches("input, select, textarea, pre, button, summary, .scroll"));
  };
  function put(id, html) {
    const section = document.getElementById(id);
    if (!section) return;
    if (isBusy(section)) { waiting.set(id, html); return; }
    waiting.delete(id);
    const open = new Set([...section.querySelectorAll("details[open]")].map(details => details.dataset.key));
    const focused = section.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    section.innerHTML = html;
    for (const details of section.querySelectorAll("details")) if (open.has(details.dataset.key)) details.open = true;
    if (focused) section.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
    const headline = section.querySelector("[data-title]");
    if (headline) {
      document.title = headline.dataset.title;
      const icon = document.getElementById("icon");
      if (icon.getAttribute("href") !== headline.dataset.icon) icon.setAttribute("href", headline.dataset.icon);
    }
    localize(section);
  }
  setInterval(() => { for (const [id, html] of [...waiting]) put(id, html); }, 1000);

  // The page follows its service. A connection that is lost is said, and asked for again.
  if (live && live.dataset.events) {
    const asked = new URLSearchParams(location.search);
    const lost = document.createElement("p");
    lost.className = "lost";
    lost.setAttribute("role", "status");
    lost.textContent = "⚠ The connection is lost; trying again…";
    lost.hidden = true;
    document.body.append(lost);
    let pause = 2000;
    let source = null;
    let heardAt = Date.now();
    // A form leads elsewhere, and news that come meanwhile would keep the browser here.
    let isLeaving = false;
    document.addEventListener("submit", () => { isLeaving = true; });
    addEventListener("pageshow", () => { isLeaving = false; });
    const heard = () => { heardAt = Date.now(); lost.hidden = true; pause = 2000; };
    const listen = () => {
      if (source) source.close();
      source = new EventSource(live.dataset.events);
      source.addEventListener("open", heard);
      source.addEventListener("pulse", heard);
      source.addEventListener("section", event => {
        const { id, html } = JSON.parse(event.data);
        // Who reads older pings, or asks about another time, is left to it.
        if (!(asked.has("pings") && id === "pings") && !(asked.has("at") && id === "why")) put(id, html);
      });
      source.addEventListener("gone", () => { source.close(); if (!isLeaving) location.reload(); });
      source.addEventListener("error", () => {
        lost.hidden = false;
        if (source.readyState !== EventSource.CLOSED) return;
        // What was refused is not asked for again by itself.
        setTimeout(again, pause);
        pause = Math.min(pause * 2, 30000);
      });
    };
    const again = async () => {
      try {
        const { status } = await fetch(live.dataset.events, { method: "HEAD" });
        // The session is over: the page itself leads to the login.
        if (status === 401 || status === 403) return location.reload();
      } catch { /* Nobody is there yet. */ }
      listen();
    };
    setInterval(() => {
      // A connection that says nothing is as good as lost.
      const silence = Date.now() - heardAt;
      if (silence > 5000) lost.hidden = false;
      if (silence > 15000 && source.readyState === EventSource.OPEN) { heardAt = Date.now(); listen(); }
    }, 1000);
    addEventListener("pagehide", () => source.close());
    // A page that the browser had kept is live again.
    addEventListener("pageshow", event => { if (event.persisted) listen(); });
    listen();
  }
}
