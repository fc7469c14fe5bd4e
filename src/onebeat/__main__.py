"""`python -m onebeat` is `onebeat`."""

from onebeat.cli.main import main

main()
