"""
The documents that programs read: what the command line prints as JSON, and what the console's API answers.

A field, once there, stays: it is not renamed, and its type does not change (docs/reference/schemas).
"""
