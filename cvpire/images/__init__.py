"""Photos: what files hold and show, and the files that are written."""
