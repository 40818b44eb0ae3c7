"""Attacks on runs and the command line: kills, faults of the disk, damaged files, malformed contents, failing environments, wrong words.
Each counts how many of its cases hold; `CONTRIBUTING.md` lists the commands of the long rounds.

```console
$ PYTHONPATH=tests python -m attack faults --seed 1 --count 50
```

A case holds if the command ends within its time, without a traceback, with exit code 0, 1 or 2 and words for each error, if nothing
outside of the runs was written, and if what a run becomes after it is what it becomes without it.
"""
