"""Runs by handle: started apart from the caller, asked after, waited for, stopped, ranked.

The handle is the run's directory, and all that is told of it is read from there. So a caller may
end, and another one go on with the run by its id.
"""

from tunebook.handles.logs import LogPiece, last_lines, logs_since
from tunebook.handles.looking import state_of, wait_for
from tunebook.handles.once import start_once
from tunebook.handles.ranking import results
from tunebook.handles.starting import resume_detached, start_detached
from tunebook.handles.stopping import stop

__all__ = [
    "LogPiece",
    "last_lines",
    "logs_since",
    "results",
    "resume_detached",
    "start_detached",
    "start_once",
    "state_of",
    "stop",
    "wait_for",
]
