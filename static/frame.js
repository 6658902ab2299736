// Inside the frame on a host's page: one port to that page, and what it may learn of the flow. Never what is typed.
"use strict";

(() => {
  const main = document.querySelector("main[data-origin]");
  const { origin, session, request, code, here, handoff, end, error: refusal } = main.dataset;
  const GOING = ["LOADING", "MFA", "SELECT_ACCOUNT"];
  const SUBMITTED = ["input", "handing_over", "progress", "interaction", "outcome"];
  const RETRIES = [0, 1000, 3000, 9000];

  let port = null;
  let seq = 0;
  let known = {};
  let mode = "";
  let over = false; // the host knows how it ended
  let handing = null;
  let handed = null; // the run that was told last
  let filling = {};

  // --- the channel ----------------------------------------------------------------------------------------

  // One message, from the page around us and from the origin the server has checked; then only the port.
  function take(event) {
    if (event.source !== window.parent || event.origin !== origin) return;
    const { data, ports } = event;
    if (!data || data.v !== 1 || data.type !== "init" || ports.length !== 1) return;
    window.removeEventListener("message", take);
    port = ports[0];
    mode = data.mode;
    port.onmessage = heard;
    begin();
  }
  window.addEventListener("message", take);

  function say(type, payload) {
    if (port) port.postMessage({ v: 1, seq: ++seq, type, payload });
  }

  function heard({ data }) {
    if (!data || data.v !== 1 || !data.payload || typeof data.payload !== "object") return;
    if (data.type === "exit") leave();
    if (data.type === "hide") release();
    if (data.type === "show") hold();
    if (data.type === "submit") fill(data.payload);
  }

  function begin() {
    if (refusal) {
      const error = JSON.parse(refusal);
      say("exit", { error, metadata: { status: error.error_code === "token_expired" ? "token_expired" : "requires_consent" } });
      return;
    }
    known = facts();
    new ResizeObserver(tellHeight).observe(document.body);
    hold();
    say("hello", { session_id: session });
    tell("OPEN");
    tell("TRANSITION_VIEW");
    if (known.error) tell("ERROR", known.error);
    standing();
    arrived();
  }

  function tellHeight() {
    say("height", { px: Math.ceil(document.body.getBoundingClientRect().height) });
  }

  // --- what has happened ----------------------------------------------------------------------------------

  function facts() {
    const view = document.querySelector("#view > .view");
    return view && view.dataset.facts ? JSON.parse(view.dataset.facts) : known;
  }

  function tell(name, more) {
    const { view_name, is_update_mode, source_id, source_name, run_id } = known;
    say("event", {
      name,
      metadata: {
        event_id: `evt_${session.slice(3)}_${seq + 1}`,
        seq: seq + 1,
        timestamp: new Date().toISOString(),
        session_id: session,
        request_id: request,
        view_name,
        is_update_mode,
        source_id,
        source_name,
        run_id,
        ...more,
      },
    });
  }

  function metadata() {
    const { source_id, source_name, status, view_name, run_state } = known;
    const source = source_id ? { source_id, name: source_name } : null;
    return { session_id: session, status, source, view_name, run_state, resumable: false, request_id: request, support_code: code };
  }

  function standing() {
    say("standing", metadata());
  }

  function changed() {
    const was = known;
    const now = facts();
    if (now.step === "left") {
      if (over) part("close", {});
      else exit(null); // where they were when they left is what the host is told
      return;
    }
    known = now;
    if (now.source_id && now.source_id !== was.source_id) tell("SELECT_SOURCE");
    if (was.step === "sign_in" && SUBMITTED.includes(now.step)) tell("SUBMIT_CREDENTIALS");
    if (now.device !== was.device) tell("HANDOFF_DEVICE", { device: now.device });
    const sameRun = now.run_id === was.run_id;
    if (sameRun && now.answered > was.answered) {
      tell(was.view_name === "SELECT_ACCOUNT" ? "SELECT_ACCOUNT" : "SUBMIT_MFA", { mfa_type: was.mfa_type, attempt: was.attempt });
    }
    if (now.run_state && (!sameRun || now.run_state !== was.run_state)) tell("STATUS_CHANGED", { status: now.run_state });
    if (now.view_name === "MFA" && (now.attempt !== was.attempt || !sameRun)) {
      tell("MFA_REQUIRED", { mfa_type: now.mfa_type, attempt: now.attempt, waiting_on: "user" });
    }
    if (now.error && JSON.stringify(now.error) !== JSON.stringify(was.error)) tell("ERROR", now.error);
    if (now.followed && !was.followed) tell("ISSUE_FOLLOWED");
    if (now.view_name !== was.view_name) tell("TRANSITION_VIEW");
    standing();
    arrived();
  }

  function arrived() {
    prefill();
    if (known.view_name !== "CONNECTED" || known.run_id === handed) return;
    handed = known.run_id;
    if (handing) tell("HANDOFF"); // one more: the host's page has its token already
    else handing = handOver();
  }

  document.addEventListener("htmx:after:swap", ({ detail }) => {
    if (!port) return;
    if (detail.ctx.target && detail.ctx.target.id === "view") changed();
    const search = document.getElementById("q");
    if (search && detail.ctx.target && detail.ctx.target.id === "sources") {
      tell("SEARCH_SOURCE", { search_query_length: search.value.length });
    }
  });

  // --- handing over what it was for ------------------------------------------------------------------------

  function post(address) {
    const headers = JSON.parse(main.getAttribute("hx-headers:inherited"));
    return fetch(address, { method: "POST", headers, credentials: "omit", keepalive: true }).catch(() => null);
  }

  async function handOver() {
    for (const wait of RETRIES) {
      await new Promise((done) => setTimeout(done, wait));
      const answer = await post(handoff);
      if (answer && answer.ok) {
        const given = await answer.json();
        over = true;
        tell("HANDOFF");
        say("success", given);
        return;
      }
      if (answer && answer.status < 500) break;
    }
    exit(sessionError("handoff_failed", "It worked, but the page could not be told. The server knows."));
  }

  // --- going away -----------------------------------------------------------------------------------------

  const leaving = document.getElementById("leaving");

  async function leave(force) {
    if (handing) await handing;
    if (GOING.includes(known.view_name) && !force && (end || !over)) leaving.open || leaving.showModal();
    else if (over) {
      if (end) await post(end); // no more comes: the host's server hears of the end now, and not after a silence
      part("close", {});
    } else exit(known.error || null);
  }

  function exit(error) {
    if (over) return;
    over = true;
    tell("EXIT", { exit_status: known.status });
    part("exit", { error, metadata: metadata() });
  }

  // The last word, once Back is the page's own again.
  async function part(type, payload) {
    if (gone) return;
    gone = true;
    await release();
    say(type, payload);
  }

  // Before htmx and before the browser: these buttons, forms and links close the frame.
  function closes(event) {
    const it = event.target.closest("[data-leave], [data-stay], [data-hide]");
    if (!it || !port || (event.type === "click" && it.matches("form"))) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (leaving.open) leaving.close();
    if (it.matches("[data-hide]")) {
      if (mode === "modal" && !over) say("hide", {});
      else leave(true);
    }
    if (it.matches("[data-leave]")) leave(it.dataset.leave === "now");
  }
  document.addEventListener("click", closes, true);
  document.addEventListener("submit", closes, true);

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || !port || refusal || leaving.open) return;
    if (event.target.type === "search" && event.target.value) return;
    event.preventDefault();
    leave();
  });

  // --- the Back button ------------------------------------------------------------------------------------

  // Over somebody's page one entry of the history is ours: Back takes it, comes to us, and the page stays where it is.
  let held = false;
  let gone = false;
  let released = null;

  function hold() {
    if (mode !== "modal" || held || gone) return;
    history.pushState(null, "");
    held = true;
  }

  function release() {
    if (!held) return null;
    held = false;
    return new Promise((done) => {
      released = done;
      setTimeout(done, 500);
      history.back();
    });
  }

  window.addEventListener("popstate", async () => {
    if (released) {
      released();
      released = null;
    } else if (held) {
      held = false;
      await back();
      hold();
    }
  });

  // Every screen names its own way back; where there is none, Back closes.
  function back() {
    const way = document.querySelector("#view [data-back]");
    if (leaving.open) leaving.close();
    else if (way) way.click();
    else return leave();
  }

  // --- when something stands in the way --------------------------------------------------------------------

  function sessionError(error_code, error_message) {
    return {
      error_type: "SESSION_ERROR",
      error_code,
      error_message,
      display_message: "This visit is over.",
      user_recoverable: false,
      suggested_action: "none",
      support_code: code,
    };
  }

  function visitIsOver(status) {
    if (status !== 401 && status !== 404) return;
    if (over && end) part("close", {});
    known = { ...known, status: "token_expired" };
    exit(sessionError("token_expired", "The visit has ended."));
  }
  document.addEventListener("htmx:response:error", ({ detail }) => visitIsOver(detail.ctx.response.status));
  document.addEventListener("htmx:sse:error", ({ detail }) => visitIsOver(detail.status));

  // Loading the document again would post its token again: only the screen is fetched.
  document.addEventListener("gangway:reload", (event) => {
    event.preventDefault();
    if (!over || end) htmx.ajax("GET", here, { source: main });
  });

  // --- what the host knows already, and no secret ----------------------------------------------------------

  function fill(data) {
    for (const [name, value] of Object.entries(data)) {
      if (typeof value === "string" && value.length <= 200) filling[name] = value;
    }
    prefill();
  }

  function prefill() {
    if (known.step === "pick" && filling.source_id) {
      const button = document.querySelector(`#sources button[value="${CSS.escape(filling.source_id)}"]`);
      delete filling.source_id;
      if (button) button.click();
    } else if (known.step === "sign_in") {
      for (const input of document.querySelectorAll("#view input:not([type=hidden], [type=password])")) {
        const name = input.name.replace(/^x_/, "");
        if (!input.value && Object.hasOwn(filling, name)) input.value = filling[name];
        delete filling[name];
      }
    }
  }
})();
