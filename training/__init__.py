"""How the embedded weights were made: `python -m training.scenes`, `.beauty` and `.evaluate`."""
