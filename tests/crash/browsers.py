"""Those who have a browser in front of them: they click, and when nothing happens they click again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from tests.people import Visitor

if TYPE_CHECKING:
    from tests.crash.town import Town

NO_PAGE = httpx.Response(204, request=httpx.Request("GET", "http://localhost/"))


@dataclass(frozen=True)
class Browser:
    """What somebody has in front of them, and what their browser remembers."""

    page: httpx.Response = NO_PAGE
    cookies: dict[str, str] = field(default_factory=dict)


NEW = Browser()
"""Nothing has been opened in it yet."""


class Customer(Visitor):
    """A visitor who, when nothing happens, clicks again."""

    def __init__(self, town: Town, browser: Browser) -> None:
        self.http = httpx.Client(transport=FrontDoor(town, self), base_url="http://localhost")
        for name, value in browser.cookies.items():
            self.http.cookies.set(name, value, domain="localhost.local")  # as if we had just set it
        self.page = browser.page
        self.last: httpx.Request | None = None

    @property
    def has_come(self) -> bool:
        return self.page is not NO_PAGE

    def leaves(self) -> Browser:
        return Browser(self.page, dict(self.http.cookies))

    def clicks_again(self) -> None:
        """The same request once more, with the same form in it."""
        if self.last is not None:
            request = httpx.Request(
                self.last.method, self.last.url, headers=self.last.headers, content=self.last.content
            )
            self._follow(self.http.send(request))

    def looks(self) -> str:
        """The screen of the visit that the present page belongs to; "" outside of one."""
        path = self.page.url.path
        if not path.startswith("/connect/"):
            return ""
        self.opens("/".join(path.split("/")[:3]))
        return self.view()


class FrontDoor(httpx.BaseTransport):
    """From somebody's browser to our program."""

    def __init__(self, town: Town, who: Customer) -> None:
        self.town, self.who = town, who

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.who.last, self.town.clicked = request, self.who
        response = self.town.carries(request)
        well = 500 if not self.town.world.faults.armed else 503  # where Deck fails, that it does is said in words
        assert response.status_code < well, f"{request.method} {request.url} answered {response.status_code}"
        return response
