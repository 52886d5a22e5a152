"""CV-PIRE: take a photo's scene away from machines while no person sees a change.

The core that page and evaluation share. Importing it reads no weights, opens no connection, and
imports neither gradio nor pyiqa.
"""

__version__ = "0.1.0"
