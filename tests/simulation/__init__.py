"""The real code of the queue on a simulated broker, mail server, database's faults and time.

plan         what a project has set, what it sends, and what goes wrong
clock        the one time of a run, and the wrong clocks of those who work in it
processes    threads that run one at a time, may be stopped, ended and killed at each step
couriers     their other threads, for several connections at once
jobs         what they do: send, look, work, operate
broker       Redis and RabbitMQ as far as they matter
session      what the mail server makes of what one client says
line         a connection to it: a socket that is none
mail_server  the mail server, and the backends that deliver to it
sqlite       SQLite, whose faults are real to who asks it
rows         what is in its table, for who looks on
patches      all of this in the places of the real things
mishaps      what goes wrong, at which step
windows      why a second copy may come, in the words of the page of guarantees
excuses      who may get one
listener     who listens to the log
world        all of it together, and what happened, in words
oracle       what must be so when all is well again
machine      the schedules, drawn by Hypothesis
running      how many of them are run, and how
mutants      faults that the code had once, to see that each is found
"""
