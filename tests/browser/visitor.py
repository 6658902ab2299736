"""A person with a real browser, and an eye on what must never happen in it."""

from __future__ import annotations

import copy
import re
from typing import Any
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Response, expect

from tests.browser.demo import Demo

AN_ANSWER = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
"""Chromium's remark on a form sent back with mistakes, or on a page that is not there. See `_heard`."""

REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`refused by the policy: ${event.violatedDirective} ${event.blockedURI}`));
"""

FOCUSED = """() => {
  const it = document.activeElement;
  const label = it.labels && it.labels[0] ? it.labels[0].textContent : "";
  const style = getComputedStyle(it);
  return {
    words: (label || it.textContent || "").replace(/\\s+/g, " ").trim(),
    name: it.getAttribute("name") || "",
    value: it.type === "radio" ? it.value : "",
    tag: it.tagName.toLowerCase(),
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 ||
      Boolean(it.closest(".choice") && getComputedStyle(it.closest(".choice")).outlineStyle !== "none"),
  };
}"""

NOTE_HEADINGS = """() => {
  document.noted = [];
  const note = () => document.noted.push(document.querySelector("h1")?.textContent.trim());
  new MutationObserver(note).observe(document.querySelector("#view"), { subtree: true, childList: true, characterData: true });
}"""


class Visitor:
    """One browser, one tab of it in front. `complaints` is what a watchful developer would have seen go wrong."""

    def __init__(self, demo: Demo, browser: Browser, **looks: Any) -> None:
        self.demo = demo
        self.context = browser.new_context(base_url=demo.url, locale="en-CA", **looks)
        self.complaints: list[str] = []
        self._watch()
        self.page: Page = self.context.new_page()

    # --- a watchful eye ------------------------------------------------------------------------------------

    def _watch(self) -> None:
        self.context.set_default_timeout(60_000)
        self.context.add_init_script(REPORT_VIOLATIONS)
        self.context.on("console", self._heard)
        self.context.on("weberror", lambda error: self.complaints.append(f"uncaught: {error.error}"))
        self.context.on("request", self._asked)
        self.context.on("response", self._answered)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not AN_ANSWER.match(message.text):
            self.complaints.append(f"console {message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if f"{urlsplit(request.url).scheme}://{urlsplit(request.url).netloc}" != self.demo.url:
            self.complaints.append(f"asked a stranger: {request.url}")

    def _answered(self, response: Response) -> None:
        is_page = response.request.resource_type in ("document", "fetch", "xhr")
        if response.status >= 500 or (response.status >= 400 and not is_page):
            self.complaints.append(f"status {response.status}: {response.url}")

    def leaves(self) -> list[str]:
        """Close everything; returns what was seen going wrong."""
        kept = self.context.storage_state(indexed_db=True)
        for page in self.context.pages:
            if page.url.startswith(self.demo.url):
                sizes = page.evaluate("[localStorage.length, sessionStorage.length]")
                self.complaints += [f"something is stored in the browser: {sizes}"] if any(sizes) else []
        self.context.close()
        self.complaints += [f"stored: {origin}" for origin in kept["origins"]]
        self.complaints += [f"a cookie scripts can read: {c['name']}" for c in kept["cookies"] if not c["httpOnly"]]
        return self.complaints

    # --- having an account ---------------------------------------------------------------------------------

    def has_an_account(self) -> None:
        """Signed up and signed in, from an address of their own: one address may only sign up so often."""
        email, password = self.demo.somebody()
        with httpx.Client(transport=httpx.HTTPTransport(local_address=self.demo.an_address())) as http:
            form = {"email": email, "password": password}
            answer = http.post(f"{self.demo.url}/sign-up", data=form, headers={"Sec-Fetch-Site": "same-origin"})
            assert answer.status_code == 303, answer.text
            self.context.add_cookies(
                [
                    {"name": c.name, "value": c.value or "", "url": self.demo.url, "httpOnly": True}
                    for c in http.cookies.jar
                ]
            )

    def signs_up(self) -> None:
        """The same by hand."""
        email, password = self.demo.somebody()
        self.opens("/")
        self.presses("Create an account")
        self.types("Email", email)
        self.types("Password", password)
        self.presses("Create account")
        self.sees("Nothing connected yet")

    # --- getting about -------------------------------------------------------------------------------------

    def opens(self, path: str) -> None:
        self.page.goto(path)

    def presses(self, words: str) -> None:
        """Press the button or link of the page that says *words*."""
        self.thing(words).click()

    def thing(self, words: str) -> Locator:
        main = self.main
        return main.get_by_role("button", name=words).or_(main.get_by_role("link", name=words)).first

    def types(self, label: str, text: str) -> None:
        self.main.get_by_label(label).and_(self.page.locator("input")).fill(text)

    def types_a_secret(self, label: str, text: str) -> None:
        """The same, and nobody may find it anywhere afterwards."""
        self.demo.secrets.add(text)
        self.types(label, text)

    def opens_another_tab(self) -> Visitor:
        """The same browser, another tab in front; it shows the same page."""
        other = copy.copy(self)
        other.page = self.context.new_page()
        other.opens(self.page.url)
        return other

    def picks(self, source: str) -> None:
        """Start, agree, and pick a source."""
        self.opens("/connections")
        self.presses("Connect an account")
        self.presses("Agree and continue")
        self.presses(source)

    def signs_in_at(self, source: str, username_label: str, username: str, password: str) -> None:
        self.picks(source)
        self.types(username_label, username)
        self.types_a_secret("Password", password)
        self.presses("Sign in")

    def goes_to_the_code(self) -> None:
        """As far as the question for a code, which every journey at this bank begins with."""
        self.signs_in_at("Maple & Main Bank", "Access card", "4500123412341234", "maple-leaf-9")
        self.comes_to("interaction")

    def connects_northlight(self) -> None:
        """The shortest way to a connection: no questions."""
        self.signs_in_at("Northlight Power", "Email", "robin@sample.example", "bright-light-7")
        self.comes_to("outcome")
        self.sees("Northlight Power is connected")

    # --- by keyboard ---------------------------------------------------------------------------------------

    def tabs_to(self, words: str) -> None:
        """Press Tab until what says *words* has the focus, which shows all the way."""
        passed = []
        for _ in range(40):
            self.page.keyboard.press("Tab")
            focused = self.page.evaluate(FOCUSED)
            passed.append(focused["words"])
            assert focused["ring"] or focused["tag"] == "body", f"no focus ring on {focused}"
            if words in (focused["words"], focused["value"]) or focused["words"].startswith(words):
                return
        raise AssertionError(f"Tab never comes to {words!r}, only to {passed}")

    def strikes(self, *keys: str) -> None:
        """Once the page is all there: what it shows can be read before its script listens."""
        self.page.wait_for_load_state()
        for key in keys:
            self.page.keyboard.press(key)

    # --- looking -------------------------------------------------------------------------------------------

    @property
    def main(self) -> Locator:
        return self.page.locator("main")

    @property
    def heading(self) -> Locator:
        return self.page.locator("h1")

    @property
    def screen(self) -> Locator:
        """The flow's present screen."""
        return self.page.locator("#view > .view")

    def field(self, label: str) -> Locator:
        return self.main.get_by_label(label).and_(self.page.locator("input"))

    def sees(self, text: str) -> None:
        expect(self.main).to_contain_text(text)

    def comes_to(self, name: str) -> None:
        """Wait until the flow shows this screen."""
        expect(self.screen).to_have_attribute("data-view", name)

    def marks_the_page(self) -> None:
        """Put a mark on the document; it is gone after any reload."""
        self.page.evaluate("() => { document.marked = true }")

    def is_still_on_the_marked_page(self) -> bool:
        return bool(self.page.evaluate("() => document.marked === true"))

    def notes_headings(self) -> None:
        """From now on, remember every heading the flow shows, however briefly."""
        self.page.evaluate(NOTE_HEADINGS)

    def noted_headings(self) -> list[str]:
        return list(self.page.evaluate("() => document.noted"))
