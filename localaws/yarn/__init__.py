"""A real Apache Hadoop YARN on this machine: one ResourceManager and some NodeManagers, plain processes of this user.

It knows YARN only: nothing of EMR, of Spark or of the embedded AWS. What each module may be asked:

``plan``           which machines there are, by name and address; pure but for the search for a free address
``configuration``  the texts of the configuration; pure
``jars``           find, verify and fetch the daemons' jars
``machine``        whether this machine can run it at all
``daemons``        start, add, lose, kill an application, logs, stop

Every socket is bound to this cluster's own addresses in 127.0.0.0/8, no process outlives ``stop``, and the web pages
and REST interfaces, which by default run programs for anybody, do nothing for a caller by HTTP.
"""
