"""The searches for a change that meets a condition within a bound, and the conditions."""
