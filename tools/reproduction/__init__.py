"""The paper's tables on small data: what is trained, how it is scored, how it is shown.

    tables.py        which rows a table has, what each trains on, what the paper found
    sizes.py         how large the model, the data and the benchmark are
    benchmarks.py    what runs are asked
    experiment.py    row x seed -> run folder -> predictions; what is done already is kept
    side_by_side.py  the same, several runs at a time
    codecs.py        codes of other lengths, and what right answers lose in each way of writing
    scoring.py       predictions of all seeds -> scores, differences, directions
    page.py          TABLE.html
    markdown.py      docs/reproduction.md

`tools/reproduce.py` is the command.
"""
