"""Programs as jobs, in any language, run without a shell. The handler is
`asyncjobd_handlers.command:Command`.

    [actions.Resize]
    handler = "asyncjobd_handlers.command:Command"
    timeout = "10 min"
    [actions.Resize.options]
    argv = ["/srv/jobs/resize.sh", "--to={params.to}"]

The configuration has the program and its arguments. The row's params are on its stdin, as JSON;
"{params.NAME}" in an argument stands for one of them (arguments.py). Other users of the machine can see
arguments, but not stdin. The environment has ASYNCJOBD_JOB_ID, ASYNCJOBD_JOB_NAME, ASYNCJOBD_EXECUTION_COUNT,
ASYNCJOBD_EXECUTION_TOTAL, ASYNCJOBD_MAX_EXECUTION_COUNT, and little else (options.py).

A line of stdout is a report if it is a JSON object with no other keys than these:

    {"progress": 0.5, "message": "half"}    the progress, from 0 to 1; the message may be left out
    {"message": "42 files"}                 the message at the end of the job
    {"result": {"files": 42}}               the result of the job, any JSON value
    {"retry_later": "30 min"}               run again after this time; null: after retry_interval
    {"completed": true}                     a recursive job ends its repetition

Each may come any number of times; the last one counts. A report with a wrong value fails the job. All other
lines of stdout, and those of stderr, are logged as `command.output`.

The exit code decides the outcome: 0 is success, or what was reported; 75 (EX_TEMPFAIL) is retry_later; 64, 65
and 78 (wrong usage, data or configuration) are fatal_error; any other one, and a signal, is failed.
`exit_codes` changes this. The message of a failure is "exited with 3: " and the last lines of stderr.

At a timeout, Hold, cancel or stop, the program and its children get SIGTERM, and after `grace` SIGKILL. The
same happens to children that the program leaves behind. If the daemon dies, all get SIGKILL at once.
"""

from asyncjobd_handlers.command.handler import Command
from asyncjobd_handlers.command.options import CommandOptions

__all__ = ["Command", "CommandOptions"]
