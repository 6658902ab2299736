// All that a page needs: one handler, and what to do when it has worked.
"use strict";

(() => {
  const $ = (id) => document.getElementById(id);

  async function getToken() {
    const answer = await fetch("/connect-token", { method: "POST" });
    if (!answer.ok) throw new Error(`our server answered ${answer.status}`);
    return answer.json();
  }

  async function onSuccess(public_token, metadata) {
    await fetch("/linked", { method: "POST", body: new URLSearchParams({ public_token }) });
    $("outcome").textContent = `${metadata.source.name} is linked.`;
    refresh();
  }

  function onExit(error) {
    $("outcome").textContent = error ? error.display_message : "Nothing was linked.";
  }

  async function refresh() {
    const answer = await fetch("/accounts").catch(() => null);
    if (answer && answer.ok) $("accounts").innerHTML = await answer.text(); // our own server's, escaped there
  }

  const modal = GangwayConnect.create({ getToken, onSuccess, onExit });
  const inline = GangwayConnect.create({ getToken, onSuccess, onExit, mode: "inline", container: $("place") });
  $("link").addEventListener("click", () => modal.open());
  $("here").addEventListener("click", () => inline.open());
  setInterval(() => document.hidden || refresh(), 3000); // webhooks come whenever they come
})();
