"""The page's looks: gradio's soft theme in calm colours, and the little CSS it lacks."""

from __future__ import annotations

import gradio as gr

# System fonts only: a visitor's browser asks nobody else for anything.
THEME = gr.themes.Soft(
    primary_hue=gr.themes.colors.teal,
    neutral_hue=gr.themes.colors.slate,
    font=["system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
).set(
    # Darker than the theme's own, whose teal on white is too pale to read.
    background_fill_primary="*neutral_50",  # the theme's own, which set() would reset
    body_text_color_subdued="*neutral_600",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    block_label_text_color="*primary_800",
    block_title_text_color="*primary_800",
    checkbox_label_background_fill_selected="*primary_700",
    checkbox_background_color_selected="*primary_700",
)

CSS = """
.gradio-container { width: 100%; max-width: 1200px !important; margin: 0 auto !important; }
.hint, .waiting { font-size: var(--text-sm); color: var(--body-text-color-subdued); }
.hint { margin: 0 !important; padding: 0 4px !important; }
.waiting { padding: 16px; border: 1px dashed var(--border-color-primary); border-radius: 6px; }
.verdict { border-left: 6px solid; border-radius: 6px; padding: 10px 16px;
  background: var(--background-fill-secondary); }
.verdict h2 { margin: 0 0 4px; font-size: var(--text-xl); }
.verdict p, .verdict ul { margin: 4px 0 0; }
.verdict li { margin-left: 20px; list-style: disc; }
.verdict.good { border-color: #0f766e; }
.verdict.bad { border-color: #b45309; border-left-style: double; }
.verdict.neutral { border-color: #64748b; }
.legend .bar { height: 14px; border-radius: 4px; border: 1px solid var(--border-color-primary); }
.legend .ends { display: flex; justify-content: space-between; gap: 24px; margin-top: 4px;
  font-size: var(--text-sm); color: var(--body-text-color-subdued); }
.legend .ends span:last-child { text-align: right; }
table.scores { width: 100%; border-collapse: collapse; border: 0 !important;
  font-size: var(--text-sm); }
table.scores caption { text-align: left; font-weight: 600; padding-bottom: 6px; }
table.scores :is(tr, th, td) { border: 0; background: none; }
table.scores :is(th, td) { text-align: left; padding: 5px 10px 5px 0;
  border-top: 1px solid var(--border-color-primary) !important; vertical-align: top;
  overflow-wrap: anywhere; }
table.scores th { font-weight: 400; }
table.scores td:nth-child(2) { font-variant-numeric: tabular-nums; white-space: nowrap; }
table.scores td:nth-child(3) { color: var(--body-text-color-subdued); }
"""
