"""A shop that sends, draws, reports and bills in the background."""
