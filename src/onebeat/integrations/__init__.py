"""Faces for frameworks, each loaded only by who imports it; what works with plain Onebeat has none."""
