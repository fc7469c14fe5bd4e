"""Payloads changed field by field: what is not changed stays byte for byte, and what is hidden stays hidden."""
