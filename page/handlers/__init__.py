"""What each button and each change of the page does."""
