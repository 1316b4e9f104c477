"""
Ensembles, after Ensemble-Instruct (arXiv 2310.13961): other models answer too, and the consensus decides.

* `another_output` (once for each further model): has a model answer each question; the row keeps all outputs.
* `consensus`: takes the output that the others support, or drops the row.
"""
