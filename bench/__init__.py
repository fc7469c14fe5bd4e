"""Measurements, run by hand through `make proof-NAME`. They print what they measured and assert nothing."""
