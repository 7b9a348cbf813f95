"""The paper's tables on small data: what is trained, how it is scored, how it is shown.

    tables.py      which rows a table has, what each trains on, what the paper found
    sizes.py       how large the model, the data and the benchmark are
    experiment.py  row x seed -> run folder -> predictions; what is done already is kept
    scoring.py     predictions of all seeds -> scores, differences, directions
    page.py        report.html

`tools/reproduce.py` is the command.
"""
