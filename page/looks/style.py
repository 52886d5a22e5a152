"""The page's looks: gradio's soft theme in calm colours, and the page's own style and script."""

from __future__ import annotations

import gradio as gr

from page.looks.viewer import asset

# System fonts only: a visitor's browser asks nobody else for anything.
THEME = gr.themes.Soft(
    primary_hue=gr.themes.colors.teal,
    neutral_hue=gr.themes.colors.slate,
    spacing_size=gr.themes.sizes.spacing_sm,
    font=["system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
).set(
    # Darker in light, and lighter in dark, than the theme's own: at least 4.5 to 1.
    background_fill_primary="*neutral_50",  # the theme's own, which set() would reset
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover_dark="*primary_800",
    block_label_text_color="*primary_800",
    block_label_text_color_dark="*primary_200",
    block_label_background_fill_dark="*neutral_700",
    block_title_background_fill_dark="*neutral_700",
    block_title_text_color="*primary_800",
    block_title_text_color_dark="*primary_200",
    checkbox_label_background_fill_selected="*primary_700",
    checkbox_label_background_fill_selected_dark="*primary_700",
    checkbox_background_color_selected="*primary_700",
    checkbox_background_color_selected_dark="*primary_600",
)

# Not gradio's `css`, which rewrites selectors and moves what is for small screens.
HEAD = f"<style>{asset('page.css')}</style><script>{asset('page.js')}</script>"
