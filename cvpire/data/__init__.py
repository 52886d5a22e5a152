"""Files that come along: weights, and the table of scenes."""

from pathlib import Path

FOLDER = Path(__file__).parent
