"""HAProxy (2.6 and later) as the traffic switch.

The configuration has the shape of things alone: which routes there are and how many lanes each has. What leads where, with
what weight and whether at all, is set at run time through HAProxy's socket, and is saved after every change so that a reload and
a crash begin from it. So a change of version needs no reload, and a reload changes no traffic. `config` renders, `commands` says
what is asked of the socket and how, `statistics` reads what it answers; all three are pure. `router` carries it out in the
containers.
"""
