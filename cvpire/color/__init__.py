"""Colour: CIEDE2000, the map of its local variance, and the map as a picture."""
