"""What became of a mail, for each recipient, and what follows from it. Pure.

outcome     kinds, stages and the outcome itself
codes       outcomes from SMTP replies
apis        outcomes from what HTTP libraries and anymail say
exceptions  outcomes from what a target raised
marks       what is noted on an exception about where it was raised
report      outcomes from what a target returned: its contract, checked and completed
retry       when to try again, and when to give up
settlement  what one attempt at an envelope came to
"""

from mailqueue.outcome.outcome import Kind as Kind
from mailqueue.outcome.outcome import Outcome as Outcome
from mailqueue.outcome.outcome import Outcomes as Outcomes
from mailqueue.outcome.outcome import Stage as Stage
