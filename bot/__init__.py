"""The program. One search is small work: threads of the linear algebra only wait for each other, which costs it fourfold."""

import os

# Before numpy is imported anywhere: it reads this once.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
