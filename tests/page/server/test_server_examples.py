"""The examples under "Use via API" work, and name no other host."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import server_fixtures
from page_helpers import wait_until
from server_helpers import Api, order

from page.handlers import single, visit
from page.server.api_examples import portable_bash
from page.server.blocks import Page

page = server_fixtures.page
api = server_fixtures.api
photo = server_fixtures.photo
path = server_fixtures.path


def example(page: Page, photo: Path) -> str:
    """The commands that the page shows for cURL, with this photo and quick settings."""
    status, text = Api(page).ask("GET", "/info")
    assert status == 200
    command = str(json.loads(text)["named_endpoints"]["/protect"]["code_snippets"]["bash"])
    for old, new in [
        ("@/path/to/your/file", f"@{photo}"),
        ('"run": "Posting"', '"run": "Top1-noL1"'),
        ('"classifier": "auto"', '"classifier": "lite0-imagenet"'),
        ('"view": "resize"', '"view": "native"'),
        ('"metric": "auto"', '"metric": ""'),
        ("curl ", "curl --silent --show-error "),
    ]:
        assert old in command, f"{old} is not in {command}"
        command = command.replace(old, new)
    return command


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize(("shell", "times"), [("sh", 20), ("bash", 4)])
def test_the_example_for_curl_gives_as_many_results_to_two_clients_at_once(
    page: Page, api: Api, photo: Path, shell: str, times: int
) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    odd = photo.rename(photo.with_name("my [best] place (1).jpg"))
    command = example(page, odd)

    def ask(_: int) -> str:
        done = subprocess.run([shell, "-c", command], capture_output=True, text=True, timeout=120)
        return done.stdout + done.stderr

    with ThreadPoolExecutor(2) as clients:
        answers = list(clients.map(ask, range(times)))
    for answer in answers:
        assert answer.count("event: complete\n") == 1, answer[-500:]
        assert "Weakly protected" in answer and '"verdict": "protected"' in answer


def test_both_ways_of_calling_work_without_a_session(api: Api, path: str) -> None:
    names = inspect.signature(single.protect_photo).parameters
    for _ in range(3):
        values = dict(zip(names, order(path), strict=False))
        status, answer = api.post("/call/v2/protect", values)
        assert status == 200
        assert api.result(answer["event_id"])[0] == "complete"
        assert api.call(order(path))[0] == "complete"


def test_the_result_waits_for_a_client_that_reads_it_later(api: Api, path: str) -> None:
    event = api.join(order(path, run="nothing"))
    assert wait_until(lambda: not visit.JOBS._jobs)
    kind, answer = api.result(event)
    assert kind == "error" and "There is no run 'nothing'" in answer["error"]


def test_the_examples_name_no_other_host(api: Api) -> None:
    status, text = api.ask("GET", "/info")
    assert status == 200
    for endpoint in json.loads(text)["named_endpoints"].values():
        for language in ("python", "javascript", "bash"):
            example = endpoint["code_snippets"][language]
            hosts = set(re.findall(r"https?://([^/'\"]+)", example))
            assert hosts <= {api.host}, example


@pytest.mark.parametrize("command", ["", "echo x", "curl -X POST y", "curl | read OTHER"])
def test_a_command_that_is_no_example_of_gradio_stays(command: str) -> None:
    assert portable_bash(command) == command
