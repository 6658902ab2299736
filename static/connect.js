/* GangwayConnect 1.2.1: opens the connect flow in a frame on your page. One global, no cookie, no inline style. */
(() => {
  "use strict";

  const first = window.GangwayConnect;
  if (first) {
    if (!first.twice) {
      first.twice = true;
      console.warn("GangwayConnect was loaded twice; the first copy stays.");
    }
    return;
  }

  const script = document.currentScript;
  const HOME = script && script.src ? new URL(script.src).origin : "";
  const PATIENCE = 8000;
  const LONGEST = 500;
  const SECRET = /pass|pwd|secret|token|otp|cvv|cvc|ssn|mfa|answer|(^|_)pin($|_)|^(?!.*(postal|zip|country)).*code/i;
  const LOCK = { overflow: "hidden" };
  const FILL = {
    position: "fixed", inset: "0", width: "100%", height: "100%", "max-width": "none", "max-height": "none",
    margin: "0", padding: "0", border: "0", overflow: "hidden", background: "rgb(0 0 0 / 45%)",
  };
  const SHEET = {
    position: "absolute", inset: "0", margin: "auto", width: "min(100%, 30rem)", height: "min(100%, 44rem)",
    border: "0", "border-radius": "14px", background: "transparent",
  };
  const FLOW = { display: "block", width: "100%", "min-width": "320px", height: "480px", border: "0" };
  const PILL = {
    position: "fixed", "inset-block-end": "1rem", "inset-inline-end": "1rem", padding: "0.75rem 1.25rem", border: "0",
    "border-radius": "999px", background: "#0f5c63", color: "#fff", font: "600 1rem/1.25 system-ui, sans-serif", cursor: "pointer",
  };

  // --- small things ---------------------------------------------------------------------------------------

  const refusals = []; // what this page's own policy has blocked of ours

  function noteRefusal(event) {
    if (HOME && (event.blockedURI || "").startsWith(HOME)) refusals.push(event.effectiveDirective);
  }
  document.addEventListener("securitypolicyviolation", noteRefusal);

  // Set as properties, which a style-src policy allows. Returns what puts everything back.
  function dress(element, styles) {
    const before = Object.keys(styles).map((name) => [
      name, element.style.getPropertyValue(name), element.style.getPropertyPriority(name),
    ]);
    const had = element.hasAttribute("style");
    for (const name of Object.keys(styles)) element.style.setProperty(name, styles[name]);
    return () => {
      for (const [name, value, priority] of before) element.style.setProperty(name, value, priority);
      if (!had && !element.getAttribute("style")) element.removeAttribute("style");
    };
  }

  function problem(error_code, error_message, suggested_action = "contact_support") {
    return {
      error_type: "SESSION_ERROR",
      error_code,
      error_message,
      display_message: "This could not be opened.",
      user_recoverable: suggested_action === "retry",
      suggested_action,
    };
  }

  // Somebody else's mistake must not stop the flow, nor go unseen.
  function call(callback, ...given) {
    if (typeof callback !== "function") return;
    try {
      callback(...given);
    } catch (error) {
      setTimeout(() => {
        throw error;
      });
    }
  }

  // Only plain values of a reasonable size come from the frame.
  function clean(value, depth = 0) {
    if (typeof value === "string") return value.slice(0, LONGEST);
    if (value === null || typeof value === "number" || typeof value === "boolean") return value;
    if (Array.isArray(value) && depth < 3) return value.slice(0, 100).map((one) => clean(one, depth + 1));
    const plain = {};
    if (value && typeof value === "object" && depth < 3) {
      for (const name of Object.keys(value).slice(0, 40)) {
        if (name !== "__proto__") plain[name] = clean(value[name], depth + 1);
      }
    }
    return plain;
  }

  function isNested() {
    if (window.top === window) return false;
    return !location.ancestorOrigins || Array.from(location.ancestorOrigins).some((origin) => origin !== location.origin);
  }

  const whenReady = (then) => {
    if (document.body) setTimeout(then);
    else document.addEventListener("DOMContentLoaded", then, { once: true });
  };

  // --- one flow -------------------------------------------------------------------------------------------

  function create(config) {
    config = Object.assign({ mode: "modal" }, config);
    const base = config.baseUrl ? new URL(config.baseUrl).origin : HOME;
    const undo = [];
    let state = "idle";
    let round = 0; // counts open(): an answer to an earlier one is nobody's
    let told = true; // whether this open() has had its onSuccess or onExit
    let renewed = false;
    let mode, frame, dialog, port, heard, sent, timer, pill, last, waiting;

    const wrong = mistake();
    const ready = wrong ? Promise.reject(wrong) : new Promise((resolve) => whenReady(resolve));
    ready.then(() => state === "idle" && (state = "ready"), () => {}); // open() tells what is wrong, too

    function mistake() {
      if (!base) return problem("script_blocked", "Where connect.js came from is unknown: give baseUrl.");
      if (!config.token && typeof config.getToken !== "function" && !config.receivedRedirectUri) {
        return problem("token_invalid", "Give a token, or getToken().");
      }
      if (config.mode === "inline" && !(config.container instanceof Element)) {
        return problem("frame_blocked", "Inline mode needs a container element.");
      }
      return null;
    }

    function emit(name, metadata) {
      call(config.onEvent, name, metadata);
    }

    // --- opening ------------------------------------------------------------------------------------------

    function open(options) {
      if (state === "destroyed") {
        console.warn("GangwayConnect: this handler was destroyed.");
      } else if (state === "hidden") {
        show();
      } else if (!frame && state !== "loading") {
        mode = (options && options.mode) || config.mode;
        state = "loading";
        told = renewed = false;
        last = { session_id: null, status: "requires_consent", source: null, view_name: null, run_state: null, resumable: false };
        const mine = ++round;
        // Later, so that a page that mounts, unmounts and mounts again in one go uses its token once.
        whenReady(() => mine === round && state === "loading" && start(mine));
      }
    }

    async function start(mine) {
      if (wrong) return fail(wrong);
      if (mode === "redirect" && config.receivedRedirectUri) return comeBack();
      let token = config.token;
      if (config.getToken) {
        try {
          const given = await config.getToken();
          token = (given && given.connect_token) || given;
        } catch (error) {
          if (mine === round) fail(problem("token_invalid", `getToken() failed: ${error && error.message}`, "retry"));
          return;
        }
      }
      if (mine !== round || state !== "loading") return;
      if (typeof token !== "string" || !token) return fail(problem("token_invalid", "There is no token."));
      if (mode === "redirect") {
        location.assign(`${base}/go/${encodeURIComponent(token)}`);
        return;
      }
      if (!frame) mount();
      send(token);
    }

    // From a redirect: the address tells how it went, and holds no token. The server asks by session_id.
    function comeBack() {
      const given = new URL(config.receivedRedirectUri, location.href).searchParams;
      const metadata = Object.assign(last, { session_id: given.get("session_id"), status: given.get("status") });
      told = true;
      state = "done";
      if (metadata.status === "connected") call(config.onSuccess, null, metadata);
      else call(config.onExit, null, metadata);
      emit("CLOSE", metadata);
    }

    function mount() {
      frame = document.createElement("iframe");
      frame.title = "Connect your account";
      frame.referrerPolicy = "strict-origin";
      const scheme = config.appearance && config.appearance.mode;
      if (scheme === "light" || scheme === "dark") frame.style.setProperty("color-scheme", scheme);
      if (mode === "inline") {
        dress(frame, FLOW);
        config.container.append(frame);
      } else {
        const focused = document.activeElement;
        dialog = document.createElement("dialog");
        dialog.setAttribute("aria-label", frame.title);
        dress(dialog, FILL);
        dress(frame, SHEET);
        if (config.zIndex) dialog.style.setProperty("z-index", config.zIndex);
        dialog.append(frame);
        dialog.addEventListener("cancel", (event) => {
          event.preventDefault();
          exit();
        });
        // Browsers close a dialog whose cancel was prevented twice.
        dialog.addEventListener("close", () => dialog && !dialog.open && state !== "hidden" && finish());
        document.body.append(dialog);
        dialog.showModal();
        undo.push(dress(document.documentElement, LOCK), () => focused && focused.isConnected && focused.focus({ preventScroll: true }));
      }
      frame.addEventListener("load", greet);
    }

    // Out of the frame's own empty document: a page whose referrer policy hides where it is would have no Origin.
    function send(token) {
      clearTimeout(timer);
      timer = setTimeout(blocked, PATIENCE);
      const inside = frame.contentDocument;
      inside.addEventListener("securitypolicyviolation", stopped);
      document.addEventListener("securitypolicyviolation", stopped);
      undo.push(() => document.removeEventListener("securitypolicyviolation", stopped));
      const meta = inside.createElement("meta");
      meta.name = "referrer";
      meta.content = "strict-origin";
      const form = inside.createElement("form");
      form.method = "post";
      form.action = `${base}/frame`;
      const input = inside.createElement("input");
      input.type = "hidden";
      input.name = "token";
      input.value = token;
      form.append(input);
      inside.head.append(meta);
      inside.body.append(form);
      form.submit();
    }

    function stopped(event) {
      if (!(event.blockedURI || "").startsWith(base)) return;
      fail(problem("frame_blocked", `This page's policy blocks ${base}: ${event.effectiveDirective}.`));
    }

    function blocked() {
      const nested = isNested();
      fail(problem(
        nested ? "nested_frame" : "frame_blocked",
        nested ? "This page is itself in another site's frame: open({mode: 'redirect'})." : "The frame did not answer: see GangwayConnect.diagnose().",
      ));
    }

    // --- talking ------------------------------------------------------------------------------------------

    function greet() {
      let href = "";
      try {
        href = frame.contentWindow.location.href;
      } catch {
        // not ours any more: it has arrived
      }
      if (href === "about:blank" || last.session_id) return; // Chromium says "load" again when somebody goes back in it
      hangUp();
      const channel = new MessageChannel();
      port = channel.port1;
      heard = sent = 0;
      port.onmessage = hear;
      frame.contentWindow.postMessage({ v: 1, type: "init", mode }, base, [channel.port2]);
    }

    function say(type, payload) {
      if (port) port.postMessage({ v: 1, seq: ++sent, type, payload });
    }

    function hear({ data }) {
      if (!data || data.v !== 1 || !Number.isInteger(data.seq) || data.seq <= heard) return;
      if (!data.payload || typeof data.payload !== "object") return;
      heard = data.seq;
      const payload = clean(data.payload);
      const act = { hello, event: happened, standing, height, success, hide, exit: ended, close: () => finish() };
      if (Object.keys(act).includes(data.type)) act[data.type](payload);
    }

    function hello(payload) {
      clearTimeout(timer);
      last.session_id = payload.session_id;
      state = "open";
      if (waiting) say("submit", waiting);
      call(config.onLoad);
    }

    function happened({ name, metadata }) {
      if (/^[A-Z_]{2,40}$/.test(name)) emit(name, metadata);
    }

    function standing(payload) {
      last = payload;
      if (pill) pill.textContent = words();
    }

    function height({ px }) {
      if (mode === "inline" && px > 0) frame.style.setProperty("height", `${Math.min(Math.max(px, 200), 4000)}px`);
    }

    function success({ public_token, metadata }) {
      if (told) return;
      told = true;
      if (state !== "hidden") state = "done";
      call(config.onSuccess, public_token, metadata);
    }

    function ended({ error, metadata }) {
      const code = error && error.error_code;
      if (config.getToken && !renewed && !last.session_id && (code === "token_expired" || code === "token_already_used")) {
        renewed = true;
        state = "loading";
        clearTimeout(timer);
        remount();
        return;
      }
      finish(error, Object.assign({}, last, metadata));
    }

    function remount() {
      takeDown();
      start(round);
    }

    // --- ending -------------------------------------------------------------------------------------------

    function fail(error) {
      emit("ERROR", Object.assign({}, last, error));
      finish(error);
    }

    // However it ends: the frame goes, one callback comes unless there was one, and CLOSE is last.
    function finish(error, metadata) {
      round += 1;
      takeDown();
      state = "done";
      const standing = metadata || last;
      if (!told) {
        told = true;
        call(config.onExit, error || null, standing);
      }
      emit("CLOSE", standing);
    }

    function hangUp() {
      if (port) port.close();
      port = null;
    }

    function takeDown() {
      clearTimeout(timer);
      hangUp();
      const [was, around] = [frame, dialog];
      frame = dialog = null;
      if (pill) pill.remove();
      pill = null;
      if (was) was.remove();
      if (around) {
        around.close();
        around.remove();
      }
      while (undo.length) undo.shift()();
    }

    function exit(options) {
      if (!frame && state !== "loading") return;
      if (state === "hidden") show();
      if (port && last.session_id && !(options && options.force)) say("exit", {});
      else finish();
    }

    function destroy() {
      if (state === "destroyed") return;
      if (frame) finish();
      round += 1;
      state = "destroyed";
    }

    // --- meanwhile ----------------------------------------------------------------------------------------

    function words() {
      return /^(requires|choose)/.test(last.status) ? "Your answer is needed" : told ? "Connected" : "Connecting…";
    }

    function hide() {
      if (state !== "open" || !dialog) return;
      state = "hidden";
      say("hide", {});
      dialog.close();
      undo.shift()(); // the page scrolls again
      pill = document.createElement("button");
      pill.type = "button";
      pill.textContent = words();
      dress(pill, PILL);
      pill.addEventListener("click", show);
      document.body.append(pill);
      emit("BACKGROUND", last);
    }

    function show() {
      if (state !== "hidden") return;
      pill.remove();
      pill = null;
      undo.unshift(dress(document.documentElement, LOCK));
      dialog.showModal();
      say("show", {});
      state = told ? "done" : "open";
      emit("RESUME", last);
    }

    function submit(data) {
      for (const name of Object.keys(data)) {
        if (SECRET.test(name)) throw new TypeError(`GangwayConnect: ${name} looks like a secret; people type those themselves.`);
      }
      waiting = Object.assign({}, waiting, data);
      if (last && last.session_id) say("submit", data);
    }

    function update(changes) {
      config = Object.assign({}, config, changes);
      const scheme = config.appearance && config.appearance.mode;
      if (frame) frame.style.setProperty("color-scheme", scheme || "");
    }

    const handler = { open, exit, destroy, submit, hide, show, update, ready };
    Object.defineProperty(handler, "state", { get: () => state, enumerable: true });
    return handler;
  }

  function createEmbedded(config, container) {
    const handler = create(Object.assign({}, config, { mode: "inline", container }));
    handler.open();
    return handler;
  }

  function diagnose() {
    return {
      version: "1.2.1",
      origin: HOME,
      nested: isNested(),
      dialog: typeof HTMLDialogElement === "function",
      blocked: refusals.slice(),
      policy: `script-src ${HOME}; frame-src ${HOME}; form-action ${HOME}`,
    };
  }

  // --- buttons that need no script of the page's own ----------------------------------------------------------

  // Cleaners of HTML let data attributes through: what a user of the page wrote must lead nowhere else.
  const isOwn = (address) => new URL(address, document.baseURI).origin === window.location.origin;

  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("[data-gangway-connect-token-url]");
    if (!button || button.gangway) return;
    const { gangwayConnectTokenUrl: tokenUrl, gangwayConnectSuccessUrl: successUrl } = button.dataset;
    if (!isOwn(tokenUrl) || (successUrl && !isOwn(successUrl))) {
      console.warn("Gangway: a button leads to its own page's origin only.");
      return;
    }
    const tell = (name, detail) => button.dispatchEvent(new CustomEvent(`gangway:${name}`, { detail, bubbles: true }));
    const handler = create({
      getToken: async () => {
        const answer = await fetch(tokenUrl, { method: "POST", headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error(`${tokenUrl} answered ${answer.status}`);
        return answer.json();
      },
      onSuccess(public_token, metadata) {
        tell("success", { public_token, metadata });
        if (!successUrl) return;
        const form = document.createElement("form");
        form.method = "post";
        form.action = successUrl;
        const input = document.createElement("input");
        input.type = "hidden";
        input.name = "public_token";
        input.value = public_token;
        form.append(input);
        document.body.append(form);
        form.submit();
      },
      onExit: (error, metadata) => tell("exit", { error, metadata }),
      onEvent(name, metadata) {
        if (name === "CLOSE") button.gangway = null;
        tell("event", { name, metadata });
      },
    });
    button.gangway = handler;
    handler.open();
  });

  window.GangwayConnect = { create, createEmbedded, diagnose, version: "1.2.1" };
})();
