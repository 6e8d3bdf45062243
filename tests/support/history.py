"""The history as daemons write it: what is written by minute is in the hours, too."""

ADD_HOURS = """
    insert into asyncjob.rollup (minutes, began_at, job_name, daemon_id, completed, failed, waited, ran, ready, queued,
                                 held, oldest_ready)
    select 60, date_trunc('hour', began_at, 'UTC'), job_name, 0, sum(completed), sum(failed), sum(waited), sum(ran),
           max(ready), max(queued), max(held), max(oldest_ready)
      from asyncjob.rollup where minutes = 1 group by 2, 3
"""
