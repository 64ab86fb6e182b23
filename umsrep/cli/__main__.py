"""`python -m umsrep.cli`."""

from umsrep.cli.main import main

main()
