"""The examples of docs/api.md work as they stand."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import server_fixtures
from server_helpers import Api

from page.server.blocks import Page

page = server_fixtures.page
api = server_fixtures.api
photo = server_fixtures.photo

# The codec alone may do it.
SUCCESSES = ("protected", "not needed")

ROOT = Path(__file__).parents[3]


def example(language: str, page: Page, photo: Path) -> str:
    """The example in this language, for this server, this photo and a quick run."""
    text = (ROOT / "docs" / "api.md").read_text()
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found
    address = str(page.local_url).rstrip("/")
    code = found[1].replace("http://127.0.0.1:7860", address)
    return code.replace("photo.jpg", str(photo)).replace("Balanced", "Top1-min")


def test_the_example_in_python_works(page: Page, photo: Path) -> None:
    code = example("python", page, photo)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    verdict, path = done.stdout.splitlines()[-2:]
    assert verdict.startswith(SUCCESSES) and path.endswith("protected.jpg")


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_example_for_curl_works(page: Page, api: Api, photo: Path, shell: str) -> None:
    code = example("bash", page, photo)
    done = subprocess.run([shell, "-c", code], capture_output=True, text=True, timeout=120)
    assert "event: complete" in done.stdout, done.stdout[-500:] + done.stderr
    assert any(f'"verdict": "{verdict}"' in done.stdout for verdict in SUCCESSES)
