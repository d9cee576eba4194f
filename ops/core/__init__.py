"""What every room stands on: errors, the terminal, words, places. Knows neither AWS nor the job.

- `errors`      the one tree of expected failures, and the exit codes; `exit_codes` prints them
- `console`     the one console: print, ask a person, and show that something goes on
- `mentions`    the commands that messages mention, as they are typed for the environment at hand
- `text`        durations, sizes and times for a reader
- `target`      where a command works: environment, region, account, and the names that follow from these
- `paths`       where things lie in a clone
- `files`       files that two commands may want at once: written whole, and locked
- `programs`    what Terraform, git and spark-submit inherit of the shell; how programs and commands are ended
- `gate`        shows a page to its owner alone
"""
