"""TIFF: from its tags to the samples of its photo, and what they mean."""
