"""What a console shows of names and messages, whatever its encoding."""

from __future__ import annotations

import io

import pytest

from cvpire.cli import main as command
from cvpire.cli.console import printable, say


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain é 日本 😀.png", "plain é 日本 😀.png"),
        ("\x1b[2J\x07.png", "\\x1b[2J\\x07.png"),
        ("a\r\nb\tc\x85d", "a\\r\\nb\\tc\\x85d"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2066x\u2069\u200f\ufeff", "\\u2066x\\u2069\\u200f\\ufeff"),
        ("a\u2028b\u2029", "a\\u2028b\\u2029"),
        ("caf\udce9 \ud800", "caf\\xe9 \\ud800"),
        ("👩\u200d🚀 \u0645\u06cc\u200c\u062e", "👩\u200d🚀 \u0645\u06cc\u200c\u062e"),
        ("C:\\photos\\a.png", "C:\\photos\\a.png"),
    ],
)
def test_nothing_in_a_name_steers_the_terminal(name: str, shown: str) -> None:
    assert printable(name) == shown


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", b"caf\\xe9 \\u65e5"),
        ("cp1252", b"caf\xe9 \\u65e5"),
        ("latin-1", b"caf\xe9 \\u65e5"),
        ("utf-8", "café 日".encode()),
    ],
)
def test_a_console_shows_what_it_can(encoding: str, expected: bytes) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding, newline="")
    say("café 日", stream, end="")
    assert raw.getvalue() == expected


def test_consoles_without_an_encoding_take_everything() -> None:
    class Unknown(io.StringIO):
        encoding = "no-such-codec"

    text, unknown = io.StringIO(), Unknown()
    assert text.encoding is None
    for stream in (text, unknown, None):
        say("café", stream)
    assert (text.getvalue(), unknown.getvalue()) == ("café\n", "caf\\xe9\n")


def test_a_message_about_the_command_is_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(["a.png", "-o", "out", "--view", "\x1b[31m\u202e"])
    err = capsys.readouterr().err
    assert "\x1b" not in err and "\u202e" not in err
    assert command.main(["a.png", "-o", "out", "--run", "x\x1b]0;\x07"]) == 2
    assert "\x1b" not in capsys.readouterr().err
