"""What a span costs, measured beside what it is to be compared with. ``make bench`` runs ``benchmarks.run``.

Every row has a yardstick that does part of the work in another way: the official parser, a server that discards what it
reads, prometheus-client. Both are measured in turns within one run, because the speed of a shared machine wanders by a
third while the ratio of two neighbouring measurements stays. Times are CPU times.
"""
