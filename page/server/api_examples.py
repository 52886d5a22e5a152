"""The examples under "Use via API", so that the one for cURL works in every shell.

gradio's own ends in `| read EVENT_ID`, which only zsh keeps (bash and sh read it in a subshell),
and takes spaces and brackets out of the uploaded file's path, or breaks it there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradio import routes

_Snippets = Callable[..., dict[str, str]]

_UPLOAD_END = (" | tr -d '[]\" ')", " | sed 's/^\\[\"//; s/\"\\]$//')")
_PATH = ("'$FILE_PATH'", "'\"$FILE_PATH\"'")
_CALL_START = ("\ncurl -X POST ", "\nEVENT_ID=$(curl -X POST ")
_CALL_END = (" \\\n  | read EVENT_ID; curl -N ", ")\ncurl -N ")


def use_portable_examples() -> None:
    """Let gradio's description of the API show commands that work in every shell."""
    snippets: _Snippets = routes.generate_code_snippets  # type: ignore[attr-defined]
    if not getattr(snippets, "is_portable", False):
        routes.generate_code_snippets = _portable(snippets)  # type: ignore[attr-defined]


def portable_bash(command: str) -> str:
    """gradio's commands for cURL with the event's id in a variable of the same shell."""
    if _CALL_END[0] not in command:
        return command
    command = f"\n{command}"
    for old, new in (_UPLOAD_END, _PATH, _CALL_START, _CALL_END):
        command = command.replace(old, new)
    return command.removeprefix("\n")


def _portable(snippets: _Snippets) -> _Snippets:
    def portable_snippets(*args: Any, **options: Any) -> dict[str, str]:
        made = snippets(*args, **options)
        return {**made, "bash": portable_bash(made["bash"])}

    portable_snippets.is_portable = True  # type: ignore[attr-defined]
    return portable_snippets
