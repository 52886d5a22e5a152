"""What the core may know: no page, no command line, no printing, and nothing heavy at import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CLI = ROOT / "cvpire" / "cli"
CORE = sorted(
    path
    for path in (ROOT / "cvpire").rglob("*.py")
    if path.name != "__main__.py" and CLI not in path.parents
)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FORBIDDEN = {"gradio", "argparse", "tqdm", "eval", "page", "app"}


@pytest.mark.parametrize("path", CORE, ids=module_name)
def test_the_core_is_silent_and_knows_no_front_end(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & FORBIDDEN
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in FORBIDDEN
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"{path.name} line {node.lineno} prints"


def test_importing_the_core_imports_neither_gradio_nor_pyiqa_nor_torchvision() -> None:
    modules = ", ".join(map(module_name, CORE))
    heavy = "{'gradio', 'pyiqa', 'torchvision', 'timm'}"
    code = f"import sys, {modules}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_numba_waits_for_the_first_map() -> None:
    """It takes half a second to import, which the page's start need not wait for."""
    code = "import sys, app; app.build_page(); print('numba' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "False"
