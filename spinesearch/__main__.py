"""`python -m spinesearch`: the command line."""

from spinesearch.cli import main

main()
