"""What a run would be, told before it is started: settings, data, steps, time, and a name for it.

The data are read and checked as the run itself would; nothing is written or trained.
"""

from tunebook.planning.identity import Identity, check_planned
from tunebook.planning.planned import PlannedRun, identity_of, plan_run

__all__ = ["Identity", "PlannedRun", "check_planned", "identity_of", "plan_run"]
