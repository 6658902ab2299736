// What plain pages cannot do by themselves. Everything here is a comfort: without it every form still works.
"use strict";

(() => {
  const $ = (id) => document.getElementById(id);
  const view = () => document.querySelector("#view > .view");

  // --- passwords ------------------------------------------------------------------------------------------

  function showRevealButtons() {
    for (const button of document.querySelectorAll("[data-reveal]")) button.hidden = false;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-reveal]");
    if (!button) return;
    const input = $(button.dataset.reveal);
    const shown = input.type === "text";
    input.type = shown ? "password" : "text";
    button.setAttribute("aria-pressed", String(!shown));
    button.querySelector("span").textContent = shown ? "Show" : "Hide";
  });

  // Spaces and capitals are warned about, never changed: they may be part of the password.
  function caution(event) {
    const note = document.querySelector(`[data-caution-for="${CSS.escape(event.target.id)}"]`);
    if (!note) return;
    const capsLock = event.getModifierState && event.getModifierState("CapsLock");
    const spaces = event.target.value !== event.target.value.trim();
    note.textContent = capsLock ? "Caps Lock is on." : spaces ? "This starts or ends with a space." : "";
    note.hidden = !note.textContent;
  }
  document.addEventListener("keyup", caution);
  document.addEventListener("input", caution);

  // --- posting once ---------------------------------------------------------------------------------------

  const idle = new WeakMap();

  function postOnce(event) {
    const form = event.target;
    if (!form.matches("[data-once]") || event.defaultPrevented) return;
    if (form.dataset.sent) {
      event.preventDefault();
      event.stopImmediatePropagation(); // htmx listens too
      return;
    }
    form.dataset.sent = "yes";
    const button = event.submitter || form.querySelector("button:not([type=button])");
    if (!button) return;
    idle.set(form, { button, words: button.textContent });
    button.setAttribute("aria-disabled", "true");
    if (button.dataset.busy) button.textContent = button.dataset.busy;
  }
  document.addEventListener("submit", postOnce, true);

  // A form that is still there after its request can be sent again.
  document.addEventListener("htmx:finally:request", ({ detail }) => {
    const form = detail.ctx.sourceElement;
    if (!form || !form.isConnected || !idle.has(form) || !form.dataset.sent) return;
    const { button, words } = idle.get(form);
    delete form.dataset.sent;
    button.removeAttribute("aria-disabled");
    if (button.dataset.busy) button.textContent = words;
  });

  // Coming back with the Back button: nothing typed is left, and forms can be sent again.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) reload();
  });

  // In a frame on somebody's page, frame.js knows how.
  const isFramed = Boolean(document.querySelector("main[data-origin]"));

  function reload() {
    if (isFramed) document.dispatchEvent(new Event("gangway:reload"));
    else location.reload();
  }

  // --- one view after another -----------------------------------------------------------------------------

  function identity(of) {
    if (!of) return "";
    const form = of.querySelector("form[id]");
    return `${of.dataset.view}/${form ? form.id : ""}`;
  }

  // The page never goes back to an older view: a slow answer must not overwrite what the stream pushed since.
  function isOlder(text) {
    const found = /data-version="(\d+)"/.exec(text);
    return found && view() && Number(found[1]) < Number(view().dataset.version);
  }

  // My connections ask for themselves while something is going on; not in a tab nobody looks at.
  const isOverview = (ctx) => ctx.target && ctx.target.id === "connections";

  document.addEventListener("htmx:before:request", (event) => {
    if (isOverview(event.detail.ctx) && document.hidden) event.preventDefault();
  });

  let before = "";

  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx } = event.detail;
    if (isOverview(ctx) && !ctx.text.includes('id="connections"')) {
      event.preventDefault();
      if (ctx.response.raw.ok || ctx.response.status === 401) reload(); // signed out meanwhile
    }
    if (!ctx.target || ctx.target.id !== "view") return;
    before = identity(view());
    if (!ctx.text.includes("data-view=")) {
      event.preventDefault(); // an error page: it has nothing for this place
      explain(ctx);
    } else if (isOlder(ctx.text)) {
      event.preventDefault();
    }
  });

  document.addEventListener("htmx:after:swap", (event) => {
    const { ctx } = event.detail;
    showRevealButtons();
    localTimes();
    if (ctx.target && ctx.target.id === "view" && view()) {
      noTrouble();
      const now = view();
      document.title = now.dataset.title;
      const wrong = now.querySelector("[data-focus], [aria-invalid=true]");
      if (wrong) wrong.focus();
      else if (identity(now) !== before) arrive(now);
      else say($("say-status"), now.querySelector("[data-say]"));
    } else if (isOverview(ctx)) {
      say($("say-status"), $("connections"));
    } else if ($("sources")) {
      say($("say-status"), $("sources"));
    }
  });

  // A new view: its heading is read out because it has the focus, so nothing else needs saying.
  function arrive(now) {
    window.scrollTo(0, 0);
    now.querySelector("h1").focus({ preventScroll: true });
    $("say-status").textContent = "";
  }

  function say(region, from) {
    if (region && from && region.textContent !== from.dataset.say) region.textContent = from.dataset.say;
  }

  // --- when something stands in the way -------------------------------------------------------------------

  function trouble(words) {
    if (!$("trouble")) return; // support's pages say so in their own place
    $("trouble").textContent = words;
    $("trouble").hidden = false;
  }

  function noTrouble() {
    if ($("trouble")) $("trouble").hidden = true;
  }

  function explain(ctx) {
    if (ctx.response.status === 401) {
      reload(); // signed out meanwhile: the page itself leads to the sign-in form
      return;
    }
    const page = new DOMParser().parseFromString(ctx.text, "text/html");
    const said = (where) => page.querySelector(where)?.textContent ?? "";
    const heading = said("h1");
    trouble(heading ? `${heading}. ${said("h1 + p")} ${said("[data-code]")}`.trim() : "Something went wrong. Try again.");
  }

  document.addEventListener("htmx:error", (event) => {
    const { ctx } = event.detail;
    if (ctx && ctx.request && ctx.request.method === "POST") {
      trouble("That could not be sent. Check your connection, then try again.");
    }
  });

  // --- a broken stream ------------------------------------------------------------------------------------

  const PATIENCE = 5000;
  const POLL = 3000;
  let broken = null;

  async function poll() {
    // Never over a form somebody may be typing into, and never into the browser's own error page.
    if (document.hidden || !view() || view().dataset.view === "interaction") return;
    const answer = isFramed || (await fetch(location.href, { method: "HEAD" }).catch(() => null));
    if (answer === true || (answer && answer.ok)) reload();
  }

  function streamBroke() {
    if (broken || document.hidden) return;
    broken = setTimeout(() => {
      trouble("Reconnecting…");
      broken = setInterval(poll, POLL);
    }, PATIENCE);
  }

  function streamWorks() {
    clearTimeout(broken);
    clearInterval(broken);
    broken = null;
    noTrouble();
  }

  document.addEventListener("htmx:sse:error", streamBroke);
  document.addEventListener("htmx:sse:close", streamWorks);
  document.addEventListener("htmx:sse:after:connection", (event) => {
    if (event.detail.connection.status === 200) streamWorks();
  });

  // Newer tabs have taken its place: it stands still, and catches up when somebody comes back to it.
  document.addEventListener("elsewhere", () => {
    trouble("This is open in several tabs, and only the newest ones move by themselves. This one catches up when you come back to it.");
    window.addEventListener("focus", reload, { once: true });
  });

  // --- first paint ----------------------------------------------------------------------------------------

  const STYLES = {
    day: { dateStyle: "medium", timeStyle: "short" },
    time: { timeStyle: "short" },
    exact: { month: "short", day: "numeric", hour: "numeric", minute: "2-digit", second: "2-digit" },
  };

  function localTimes() {
    const language = document.documentElement.lang;
    for (const time of document.querySelectorAll("time[datetime]:not([data-local])")) {
      const words = new Intl.DateTimeFormat(language, STYLES[time.dataset.style] || STYLES.day);
      time.textContent = words.format(new Date(time.dateTime));
      time.dataset.local = "yes";
    }
  }

  function start() {
    showRevealButtons();
    localTimes();
    const wrong = document.querySelector("[data-focus], [aria-invalid=true]");
    if (wrong) wrong.focus();
    // A stream counts as broken until it has opened.
    if ($("view") && $("view").hasAttribute("hx-sse:connect")) streamBroke();
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
