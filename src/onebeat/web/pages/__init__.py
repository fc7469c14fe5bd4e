"""Pages of the console, one module each: its handlers, and the `routes` to them."""
