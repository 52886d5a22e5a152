"""What the page shows: its parts, its words, and what became of a photo."""
