"""
Ensembles, after Ensemble-Instruct (arXiv 2310.13961): several models answer, and their consensus is kept.

* `another_output` (once per additional model): has a model answer each question; the row keeps all outputs.
* `consensus`: keeps the output that the others support, or drops the row.
"""
