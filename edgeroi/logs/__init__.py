"""Log formats, a socket: one file, one object named ``FORMAT``, found by file name.

``reading`` says how a log is to be read (mapping, constants, grouping), ``format`` what a format is and which one claims a file,
``record`` holds the one set of rules that turns a record's values into a request or a reject, ``textlines`` reads lines of text with
named fields, ``rules`` what a label follows from where no log says it. Everything else here is a format, or what a format is made of.
"""
