"""`make verify-aws`: what this repository can only assume about AWS, looked at one by one in a real account.

``assumptions`` is the table, ``checks`` decides each from what was seen, ``gather`` asks AWS, ``probe`` runs on a node,
``record`` keeps what came out; `ops.cli.verify` is the run.
"""
