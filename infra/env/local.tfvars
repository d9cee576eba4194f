# ENV=local: the embedded AWS of this machine.
