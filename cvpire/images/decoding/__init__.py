"""What files hold: a decoder for each kind, with its samples as they are stored and their
meaning."""
