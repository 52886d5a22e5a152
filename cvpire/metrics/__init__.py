"""Metrics: how far two photos are apart, how visible that is, and how beautiful a photo is."""
