"""What is done for a visitor: an order, its work on one photo or many, and its progress."""
