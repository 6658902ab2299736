// The dashboard by keyboard: / to search, j and k through a list, Enter to open.
"use strict";

(() => {
  const isTyping = (element) => element.closest("input, textarea, select, [contenteditable]");

  let at = -1;

  const rows = () => [...document.querySelectorAll("[data-rows] tbody tr")];

  function go(step) {
    const all = rows();
    if (!all.length) return;
    if (all[at]) all[at].removeAttribute("aria-current");
    at = Math.min(Math.max(at + step, 0), all.length - 1);
    all[at].setAttribute("aria-current", "true");
    all[at].scrollIntoView({ block: "nearest" });
  }

  // What the stream has put there anew is marked as it was.
  document.addEventListener("htmx:after:swap", () => rows()[at]?.setAttribute("aria-current", "true"));

  function open() {
    const link = document.querySelector("[data-rows] tr[aria-current] a[href]");
    if (link) link.click();
  }

  const KEYS = {
    "/": () => document.querySelector("[data-slash]")?.focus(),
    j: () => go(1),
    k: () => go(-1),
    Enter: open,
  };

  document.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing;
    if (!plain || isTyping(event.target) || !KEYS[event.key]) return;
    if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
    event.preventDefault();
    KEYS[event.key]();
  });
})();

// --- pages that change by themselves: whether they are live, and the block for engineers ---------------------

(() => {
  const live = document.getElementById("live");

  function say(words, state) {
    if (!live || live.textContent === words) return;
    live.textContent = words;
    live.className = `live live--${state}`;
    live.hidden = false;
  }

  document.addEventListener("htmx:sse:after:connection", ({ detail }) => {
    if (detail.connection.status === 200) say("Live", "on");
  });
  document.addEventListener("htmx:sse:error", () => say("Reconnecting…", "off"));
  document.addEventListener("htmx:sse:close", ({ detail }) => {
    if (detail.reason !== "cleanup") say("Not live any more: reload the page", "off");
  });

  // "Now" looks again while somebody can see it.
  const now = document.getElementById("now");
  const EVERY = 10_000;

  function look() {
    if (!document.hidden) now.dispatchEvent(new Event("look"));
  }
  if (now) {
    const clock = setInterval(look, EVERY);
    document.addEventListener("visibilitychange", look);
    say("Live", "on");
    document.addEventListener("htmx:before:swap", (event) => {
      const isNow = event.detail.ctx.text.includes('class="now"');
      if (isNow) {
        say("Live", "on");
        return;
      }
      event.preventDefault(); // signed out meanwhile, or an error page: what is here stays
      say("Not live any more: reload the page", "off");
      document.removeEventListener("visibilitychange", look);
      clearInterval(clock);
    });
    document.addEventListener("htmx:error", () => say("Reconnecting…", "off"));
  }

  // Ages are told by the server; the moment behind each is shown on hover, in the reader's own time zone.
  function tellMoments() {
    const words = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });
    for (const time of document.querySelectorAll("time.age")) time.title = words.format(new Date(time.dateTime));
  }

  function finish() {
    for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
    tellMoments();
  }
  document.addEventListener("htmx:after:swap", finish);
  finish();

  // A menu that scrolls begins where one is.
  const here = document.querySelector(".rooms__nav [aria-current]");
  if (here) {
    const menu = here.parentElement;
    menu.scrollLeft = here.offsetLeft - (menu.clientWidth - here.offsetWidth) / 2;
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const block = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(block.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(block);
    }
  });
})();
