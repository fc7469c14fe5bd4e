"""Several server processes under one parent, which starts them, stops them, and starts them again."""
