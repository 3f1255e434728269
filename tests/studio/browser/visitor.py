"""A person at a browser who looks at a studio. Everything that a page must not do is written down."""

from __future__ import annotations

from typing import cast
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Dialog, Page, Route, expect

from tests.servers.browser import axe

# A page answers in milliseconds. On a busy machine the browser may need longer.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)

_FINDINGS = """async (only) => (await axe.run(document, {
    resultTypes: ["violations"], ...(only.length ? { runOnly: { type: "rule", values: only } } : {}),
})).violations.flatMap(
    (found) => found.nodes.map((node) => `${found.id}: ${node.target.join(" ")}: ${node.failureSummary}`))"""

_OVERFLOW = "Math.max(0, document.documentElement.scrollWidth - window.innerWidth)"


class Visitor:
    """A page of the browser, and the problems that it had: dialogs, other hosts, errors, breaches of the policy.

    Args:
        page: the page.
        url: the studio's address.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.problems: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self.problems.append(f"error in a script: {error}"))
        page.on("console", self._console)

    async def watch(self, context: BrowserContext) -> None:
        """Stop requests to other hosts, and write them down."""
        await context.route("**/*", self._route)

    async def open(self, path: str) -> None:
        """Open a page of the studio."""
        answer = await self.page.goto(self.url + path)
        assert answer is not None
        assert answer.ok, f"{path}: {answer.status}"

    async def accessibility_problems(self, *only: str) -> list[str]:
        """Return what axe-core finds on the page, by all of its rules or by the rules that are named."""
        await self.page.evaluate(axe())
        return cast("list[str]", await self.page.evaluate(_FINDINGS, only))

    async def overflow(self) -> int:
        """Return the pixels by which the page is wider than the window."""
        return cast("int", await self.page.evaluate(_OVERFLOW))

    async def _dialog(self, dialog: Dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"console: {message.text}")

    async def _route(self, route: Route) -> None:
        address = route.request.url
        if address.startswith(("data:", "blob:")) or urlsplit(address).netloc == urlsplit(self.url).netloc:
            await route.continue_()
        else:
            self.problems.append(f"request to another host: {address}")
            await route.abort()
