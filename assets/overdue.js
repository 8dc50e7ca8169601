// The one script of all pages. Pages are whole without it: it shows times in the browser's zone, has durations tick,
// keeps the list of services live, and adds keys.
"use strict";

// How far the server's clock is ahead of this one.
const ahead = Number(document.body.dataset.now) - Date.now();
const serverNow = () => (Date.now() + ahead) / 1000;
