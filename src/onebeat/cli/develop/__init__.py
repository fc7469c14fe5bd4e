"""`onebeat dev`: servers that start anew when a file changes, and show what fails."""
