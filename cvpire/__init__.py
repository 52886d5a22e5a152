"""CV-PIRE: take a photo's scene away from machines while no person sees a change.

The public names are those of `__init__.pyi`. Importing this package imports none of them: each
comes with the module that defines it, when it is first asked for. No import reads weights or opens
a connection, and none imports gradio or pyiqa.
"""

import lazy_loader

__version__ = "0.2.0"

__getattr__, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ = sorted([*__all__, "__version__"])


def __dir__() -> list[str]:
    return list(__all__)
