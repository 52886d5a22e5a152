"""The page as a server that strangers ask: its queue, its visitors, their files and their jobs."""
