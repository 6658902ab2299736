// Keeps the page up to date: asks once a second whether anything changed, and if so draws the page again.
"use strict";

(() => {
  async function look() {
    const world = document.getElementById("world");
    if (!world || document.hidden) return;
    const answer = await fetch(world.dataset.versionUrl).catch(() => null);
    if (!answer || !answer.ok) return;
    const { version } = await answer.json();
    if (version !== world.dataset.version && !document.activeElement.closest(".arm")) await redraw();
  }

  async function redraw() {
    const answer = await fetch(location.href).catch(() => null);
    if (!answer || !answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of ["header", "main"]) {
      const focused = document.activeElement.textContent;
      document.querySelector(part).replaceWith(fresh.querySelector(part));
      const again = [...document.querySelectorAll("button")].find((button) => button.textContent === focused);
      if (focused && again) again.focus();
    }
  }

  setInterval(look, 1000);
})();
