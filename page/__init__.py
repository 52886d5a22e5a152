"""What the page has beside its layout (`app.py`): handlers, jobs, the work itself, its looks."""
