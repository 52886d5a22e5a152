"""The faintest change by the eye's contrast sensitivity: the search behind our other runs."""
