"""What importing does: no telemetry unless asked for, nothing at home, nothing slow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.mem0_platform import Mem0Platform


def run(code: str, home: Path, **environment: str) -> str:
    """Run a program whose home is empty, and return what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MEM0")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "HOME": str(home), "TMPDIR": str(home / "tmp"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip() + done.stderr.strip()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    return tmp_path


TELEMETRY = "import recuerda.mem0; from mem0.memory import telemetry as t; print(t.MEM0_TELEMETRY)"


def test_telemetry_is_off_unless_asked_for(home: Path) -> None:
    assert run(TELEMETRY, home) == "False"
    assert run(TELEMETRY, home, MEM0_TELEMETRY="False") == "False"
    assert run("import os; import recuerda.mem0; print(os.environ['MEM0_TELEMETRY'])", home, MEM0_TELEMETRY="True") == (
        "True"
    )


def test_telemetry_that_is_on_already_is_told(home: Path) -> None:
    code = "import sys; sys.modules['mem0.memory.telemetry'] = sys; import recuerda.mem0"
    assert "import recuerda.mem0 first" in run(code, home)


def test_importing_the_provider_imports_no_mem0(home: Path) -> None:
    code = "import recuerda.mem0, sys; print('mem0' in sys.modules, 'openai' in sys.modules)"
    assert run(code, home) == "False False"
    assert not (home / ".mem0").exists()


USE = """
import asyncio, os
from recuerda import AgentThread, ChatMessage
from recuerda.mem0 import Mem0Provider
async def main():
    provider = Mem0Provider(host=os.environ["HOST"], user_id="ada")
    await provider.invoking([ChatMessage("user", "tea")], thread=AgentThread())
    await provider.close()
asyncio.run(main())
print("MEM0_DIR" in os.environ)
"""


def test_using_the_platform_leaves_nothing_at_home(platform: Mem0Platform, home: Path) -> None:
    assert run(USE, home, HOST=platform.host, MEM0_API_KEY=platform.key) == "False"
    assert sorted(path.name for path in home.iterdir()) == ["tmp"]
    assert list((home / "tmp").iterdir()) == []


def test_a_folder_that_the_user_has_stays_in_use(platform: Mem0Platform, home: Path) -> None:
    (home / ".mem0").mkdir()
    run(USE, home, HOST=platform.host, MEM0_API_KEY=platform.key)
    assert (home / ".mem0" / "config.json").exists()


def test_a_missing_mem0_says_what_to_install(home: Path) -> None:
    code = (
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'mem0' else find(name, *a)\n"
        "try: import recuerda.mem0\n"
        "except ImportError as error: print(error)"
    )
    assert run(code, home).endswith('pip install "recuerda[mem0]"')
