"""`onebeat task`: look at tasks, enqueue, change, run, archive, cancel and delete them."""
