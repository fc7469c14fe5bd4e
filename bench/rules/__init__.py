"""Each rule of the mechanisms taken out once, to see its test fail."""
