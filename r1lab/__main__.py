"""python -m r1lab"""

from r1lab.cli import main

main()
