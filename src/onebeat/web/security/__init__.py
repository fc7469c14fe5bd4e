"""Who may do what, and what is refused before any page is asked."""
