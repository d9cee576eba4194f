"""For maintainers: what renews tables, documents, records and locks. No command that users have needs it.

====================  ===============================================================================================
tool                  when it is needed
====================  ===============================================================================================
``bench_tables``      after benchmarks; `make bench` runs it, `make bench-tables` alone
``command_tables``    after a change of commands, variables, a request's fields or assumptions: `make command-tables`
``coverage_rooms``    `make test-all` runs it; ``--raise`` when the tests have come to run more of the code
``docs_site``         to read the documents as a site: `make docs`
``execute_notebook``  after a change of the notebook, or of what it prints or draws
``fruits``            never by hand: the set-up puts it into .venv/bin
``lock.sh``           after a change of a requirements*.in: `make lock`
``machine_table``     never by hand: ``bench_tables`` runs it
``module_docs``       after a change of a Terraform module's inputs, outputs or resources: `make module-docs`
``mutants``           after new code or tests, to see whether the tests notice faults: `make mutants`
``paste_outputs``     when a command that docs/tutorial.md shows prints something else
``prices``            when AWS has changed its prices, and for another instance type: `make prices ENV=dev`
``record_calls``      when a command of operators makes another call: `make record-calls`
``report_pictures``   after a change of the report's page
``slim``              never by hand: the set-up runs it
====================  ===============================================================================================
"""
