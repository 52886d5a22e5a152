"""PNG: from its chunks to the samples of its photo, and what they mean."""
