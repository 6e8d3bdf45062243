-- The schema asyncjob, version 1.
--
-- TABLES
--   job        one row a job: first the columns that clients write, then those that only daemons write
--   execution  the executions that did not end their job; the last one is in the job's own row
--   daemon     one row a running daemon; its heartbeat shows that it lives
--   action     what daemons serve: job names with their handlers, defaults and the JSON Schema of the params
--   schedule   when new jobs are inserted: at the times of a cron line, or of a grid
--   bucket     when the next starts of an action that has a rate are due, in all and for each key
--   rollup     what has ended and how the queue stood, by hour, and of the last days by minute
--   migration  the versions of this schema that were applied
--
-- STATES OF A JOB
--               due_at comes (timer)             claim                    outcome
--    Queued  ------------------------->  ready  ------->  running  --------------------->  Completed, Failed
--      ^  ^                                ^                 |                                    |
--      |  '--------- due again ------------|-----------------'                                    |
--      '------ run again (a client) -------'------------------------------------------------------'
--
--   ready    status = 'In Progress' and daemon_id is null
--   running  daemon_id is not null; status is 'In Progress' unless a client has written another one
--   Hold     waits until a client writes another status
--   A row that waits for other jobs is Queued, is due at 'infinity', and watches one of them (waits_on). Once
--   that one has ended, a daemon lets it watch another open one or, where there is none, go on.
--
--   A claim writes daemon_id and a claim_token that no other claim has. What an execution writes is accepted
--   only while its row has that token (a fencing token). A client stops a running job by writing another
--   status: the trigger job_updated_by_client then sets stop_requested and notifies the daemon. The row keeps
--   its daemon_id, and so cannot be claimed, until the daemon has seen the handler end and records that; the
--   client's status stands. claim_token and stop_requested stay as they are until the next claim, so that a
--   daemon whose answer was lost can record again. Deleting a running row stops its execution too.
--
-- CHANNELS (LISTEN, NOTIFY)
--   asyncjob             'ready NAME'           a row of that name is ready, and a daemon sleeps
--                        'ready'                rows are ready
--                        'due EPOCH'            a row is due at that time (seconds since 1970, database time)
--                        'waits'                a row waits for other jobs, and watches none of them yet
--                        'ended ID'             a client has ended or deleted a job; others may wait for it
--                        'freed NAME'           a job of a limited action has ended: another one may start
--                        'open'                 a daemon has released its gates: one that sleeps takes them
--                        'action'               a client has paused or limited an action, or ended that
--                        'schedule'             a schedule is new, or was changed
--   asyncjob:DAEMON_ID   'stop'                 a client has stopped or deleted jobs that this daemon runs
--                        'drain'                a client has changed is_draining
--
-- SETTINGS OF A SESSION
--   asyncjob.engine      'on': the session is a daemon's, and the client's rules do not hold; without effect
--                        for a role that may not insert into asyncjob.daemon
--   asyncjob.notify      'off': the session's statements notify nobody, as PREPARE TRANSACTION requires;
--                        daemons find its rows a bit later
--   asyncjob.actor       for whom the session writes, where many people share a role
--   asyncjob.announced   set by announce: the job name that this transaction has notified daemons of
--   asyncjob.waited_for  set by is_any_waiting: whether any row waits for other jobs
--
-- Functions have a search_path of their own, a body whose names are bound when it is created (begin atomic),
-- or qualified names only (job_inserted): with the caller's search_path, operators and functions of the
-- caller's schemas would decide what a client may write.


-- ---------------------------------------------------------------- types

create type asyncjob.status as enum ('Queued', 'In Progress', 'Completed', 'Failed', 'Hold');

-- Return the seconds from one start to the next at a rate such as '100 per minute', in whole microseconds.
create function asyncjob.seconds_per_start(rate text) returns float8
    language plpgsql immutable strict set search_path = pg_catalog, pg_temp as $$
declare
    part constant text[] := regexp_match(rate, '^([0-9]{1,9}) per (second|minute|hour|day)$');
begin
    if part is null or part[1]::integer = 0 then
        raise exception 'asyncjob.action: a rate must be such as ''100 per minute'', and is ''%''',
                        left(rate, 100)
          using errcode = 'check_violation', schema = 'asyncjob', table = 'action',
                hint = 'A number from 1 on, then: per second, per minute, per hour or per day.';
    end if;
    return ceil(1000000 * extract(epoch from ('1 ' || part[2])::interval) / part[1]::integer) / 1000000;
end
$$;


-- ---------------------------------------------------------------- tables and indexes

create table asyncjob.job (
    id                    bigint generated by default as identity
                          primary key with (fillfactor = 50),   -- a job is entered three times
    -- written by clients; asyncjob.check_values knows which values are valid
    job_name              text not null,
    params                jsonb not null default '{}',
    status                asyncjob.status not null default 'In Progress',
    schedule_time         timestamptz,
    priority              smallint not null default 0,          -- the lowest first
    retry_interval        interval,
    retry_backoff         float8,                               -- what each retry multiplies it by
    retry_interval_max    interval,                             -- the longest that it may become
    retry_jitter          float8,                               -- the share by which a retry may come earlier
    max_execution_count   integer,
    is_recursive          boolean,
    timeout               interval,
    parent_id             bigint,
    unique_key            text,                                 -- of one row that has not ended
    debounce_key          text,                                 -- of one row that has not started
    once_key              text,                                 -- of one row
    limit_key             text collate "C",                     -- whom it counts for in limits per key, and
                                                                -- takes turns with
    traceparent           text,                                 -- of W3C Trace Context; other text is ignored
    waits_for             bigint[],                             -- jobs that must have ended before it starts
    waits_for_children    boolean,                              -- whether its children must have ended before
    when_failed           asyncjob.status,                      -- what becomes of it once one of them is
                                                                -- Failed; null: Failed
    -- written by daemons
    due_at                timestamptz not null default now(),
    execution_count       integer not null default 0,           -- of this occurrence
    execution_total       integer not null default 0,
    occurrence            bigint not null default 0,            -- how often the job has occurred before: on
                                                                -- its grid, or run again by a client
    progress              real,                                 -- from 0 to 1
    progress_message      text,
    result                jsonb,
    message               text,
    traceback             text,
    log                   text,                                 -- the end of what its handler logged, where
                                                                -- its action has keep_log
    last_execution_status text,                                 -- success, completed, retry_later, failed,
                                                                -- fatal_error, timeout, stopped or lost
    last_execution_time   timestamptz,
    started_at            timestamptz,
    finished_at           timestamptz,
    created_at            timestamptz not null default now(),
    created_by            text not null default session_user,
    ordered_at            timestamptz,                          -- when a client last wrote another status
    ordered_by            text,                                 -- that client
    hold_reason           text,                                 -- why a daemon has put it on Hold
    waits_on              bigint,                               -- a job that it waits for; 0: none is chosen
                                                                -- yet; on Hold the one that has failed
    daemon_id             bigint,                               -- the daemon that runs it
    claim_token           bigint,                               -- of the last claim; never negative
    stop_requested        boolean not null default false        -- a client has stopped that execution
) with (
    fillfactor = 70,                        -- a claim and an outcome are written on the page of the row
    autovacuum_vacuum_scale_factor = 0.05,
    vacuum_truncate = off                   -- it needs a lock that stops the queue
);

create index job_ready on asyncjob.job (job_name, priority, id)
    where status = 'In Progress' and daemon_id is null;

create index job_due on asyncjob.job (due_at) where status = 'Queued' and daemon_id is null;

create index job_owned on asyncjob.job (daemon_id) where daemon_id is not null;

-- The ready and the running rows of each key.
create index job_keyed on asyncjob.job (job_name, limit_key, daemon_id, priority, id)
    where limit_key is not null and (status = 'In Progress' or daemon_id is not null);

create index job_parent on asyncjob.job (parent_id, id) where parent_id is not null;

create index job_waits_on on asyncjob.job (waits_on) where waits_on is not null and status = 'Queued';

create index job_held on asyncjob.job (job_name) where hold_reason is not null;

create unique index job_unique_key on asyncjob.job (unique_key)
    where unique_key is not null and status in ('Queued', 'In Progress', 'Hold');

-- A row leaves it once: nothing that a daemon writes brings one back, so that no statement of a daemon can fail
-- on a key.
create unique index job_debounce_key on asyncjob.job (debounce_key)
    where debounce_key is not null and started_at is null and finished_at is null;

create unique index job_once_key on asyncjob.job (once_key) where once_key is not null;

-- Queued, Hold and Failed rows, for people to look at (inspect/list_actions, inspect/list_failures). Its
-- condition is written with the functions behind <>, so that the planner takes it for no other statement.
create index job_shown on asyncjob.job (job_name, status, finished_at)
    where enum_ne(status, 'In Progress') and enum_ne(status, 'Completed');

create table asyncjob.execution (
    job_id      bigint not null references asyncjob.job on delete cascade,
    number      integer not null,                           -- the job's execution_total when it began
    daemon_id   bigint,
    started_at  timestamptz,
    finished_at timestamptz not null,
    status      text not null,                              -- as job.last_execution_status
    message     text,
    traceback   text,
    log         text,                                       -- as job.log
    primary key (job_id, number)
);

create index execution_finished on asyncjob.execution (finished_at);

create table asyncjob.daemon (
    id            bigint primary key,
    name          text not null,
    host          text not null,
    boot_id       text not null,
    pid           integer not null,
    process_start bigint not null,                          -- clock ticks since boot, by /proc/PID/stat:
                                                            -- with boot_id and pid it names one process
    version       text not null,
    actions       text[] not null,                          -- the job names that it serves
    concurrency   integer not null,
    lease_seconds double precision not null,                -- without a heartbeat, until it is taken for dead
    running       integer not null default 0,               -- jobs, as of the last heartbeat
    heartbeat     bigint not null default 0,                -- counts the renewals of its lease
    started_at    timestamptz not null default now(),
    heartbeat_at  timestamptz not null default now(),
    metrics       jsonb,                                    -- of its actions, as of the last heartbeat
    is_draining   boolean not null default false            -- written by clients: it is to claim nothing
);

create table asyncjob.action (
    name                text primary key,
    handler             text not null,
    is_active           boolean not null,
    retry_interval      interval,
    retry_backoff       float8 check (retry_backoff between 1 and 1000),
    retry_interval_max  interval,
    retry_jitter        float8 check (retry_jitter between 0 and 1),
    max_execution_count integer,
    is_recursive        boolean,
    timeout             interval,
    params_schema       jsonb,
    updated_at          timestamptz not null default now(),
    -- written by clients, and from the configuration where that has changed; null: no limit
    max_running_per_daemon integer check (max_running_per_daemon >= 0),
    max_running         integer check (max_running >= 0),           -- of all daemons together
    max_running_per_key integer check (max_running_per_key >= 0),   -- of each limit_key
    rate                text,                               -- starts, such as '100 per minute'
    rate_per_key        text,                               -- of each limit_key
    seconds_per_start   float8 generated always as (asyncjob.seconds_per_start(rate)) stored,
    seconds_per_start_per_key float8 generated always as (asyncjob.seconds_per_start(rate_per_key)) stored,
    burst               integer check (burst between 1 and 1000000),    -- starts at once, for both rates; null:
                                                            -- as many as a second brings, at least 1
    is_limited          boolean not null generated always as (
                        num_nonnulls(max_running, max_running_per_key, rate, rate_per_key) > 0) stored,
    -- written by clients
    paused_until        timestamptz,                        -- until then no job of it is claimed
    -- what the triggers and daemons keep of that
    paused_at           timestamptz,
    paused_by           text,
    configured          jsonb not null default '{}'         -- what the configuration said last
);

create index action_limited on asyncjob.action (name) where is_limited;

create table asyncjob.bucket (
    job_name  text not null,
    limit_key text collate "C" not null,                    -- '': the action as a whole
    seconds_per_start float8 not null,                      -- of the rate at which it was used
    free_at   timestamptz not null,                         -- when all that has started is paid for by the rate
    primary key (job_name, limit_key)
);

create index bucket_full on asyncjob.bucket (job_name, free_at);

-- A minute is written where there is something to say: one row for each daemon in which jobs of that name have
-- ended, and one of the queue, which one of the daemons writes, while jobs of that name stand in it. Who writes a
-- minute adds it to the hour.
-- A histogram of times is one number, with 12 decimal digits for each of its counters: counter n counts times
-- from 2 ^ (n - 1) up to 2 ^ n microseconds. So sum() adds histograms up.
create table asyncjob.rollup (
    minutes      smallint not null check (minutes in (1, 60)),  -- its length
    began_at     timestamptz not null,
    job_name     text not null,
    daemon_id    bigint not null,                           -- 0: of the queue; in an hour also of all daemons
    -- executions by what became of their jobs
    completed    integer not null default 0,
    failed       integer not null default 0,
    retried      integer not null default 0,
    repeated     integer not null default 0,                -- recursive jobs that wait for their next time
    stopped      integer not null default 0,
    waited       numeric not null default 0,                -- histogram: from when they were due to their start
    ran          numeric not null default 0,                -- histogram
    -- how the queue stood at the end of the minute; by hour the most of that. 10000: as many or more
    ready        integer,
    queued       integer,
    held         integer,
    oldest_ready real,                                      -- seconds for which the oldest has been ready
    primary key (minutes, began_at, job_name, daemon_id)
);

-- Return the seconds below which this share of the times of a histogram lies, to a factor of two. Null: it has none.
create function asyncjob.percentile(histogram numeric, share float8) returns float8 language sql immutable
begin atomic
    with bucket as (
        select n, mod(div(histogram, ('1e' || 12 * n)::numeric), 1e12)::float8 as count
          from generate_series(0, 63) as n
    ),
    counted as (
        select bucket.n, bucket.count, sum(bucket.count) over (order by bucket.n) - bucket.count as below,
               share * sum(bucket.count) over () as rank
          from bucket
    )
    select power(2::float8, counted.n) / 2e6 * (1 + (counted.rank - counted.below) / counted.count)
      from counted
     where counted.count > 0 and counted.below + counted.count >= counted.rank
     order by counted.n
     limit 1;
end;

create table asyncjob.schedule (
    name                text primary key,
    -- written by clients; asyncjob.check_schedule knows which values are valid, but for cron and time_zone,
    -- which daemons read. Of a schedule of the configuration they write the last two only.
    job_name            text not null,
    cron                text,                               -- this, or:
    every               interval,
    time_zone           text not null default 'UTC',        -- of cron
    anchor              timestamptz not null default '2001-01-01 UTC',      -- of every: where its grid begins
    params              jsonb not null default '{}',        -- this and the next four: of the jobs
    priority            smallint not null default 0,
    max_execution_count integer,
    timeout             interval,
    limit_key           text collate "C",
    catch_up            text not null default 'one',        -- which times that have passed: none, one or all
    catch_up_for        interval not null default '1 day',  -- times before that are not caught up
    overlap             text not null default 'skip',       -- while the last job is open: skip, queue or allow
    jitter              interval not null default '0',      -- the most by which a job starts later
    paused_until        timestamptz,
    next_at             timestamptz,                        -- null: a daemon is about to find it, or it rests
    -- written by daemons
    source              text not null default 'sql',        -- 'file': the configuration
    configured_by       text,                               -- the daemon whose configuration has it
    last_at             timestamptz,                        -- its last time that made a job
    last_job_id         bigint,
    problem             text,                               -- why it rests, or why its last job was refused
    changed_at          timestamptz not null default clock_timestamp()  -- its calendar, catch-up or pause
);

create index schedule_due on asyncjob.schedule (greatest(next_at, paused_until)) where next_at is not null;

create index schedule_new on asyncjob.schedule (name) where next_at is null and problem is null;


-- ---------------------------------------------------------------- notification

-- Notify, and return whether that was done. Where somebody listens in a transaction that does not end, the
-- queue of notifications fills up, and a commit that notifies fails. Before that, nobody is notified any
-- more, and daemons find the rows when they look by themselves.
create function asyncjob.notify(channel text, payload text) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if current_setting('asyncjob.notify', true) is distinct from 'off'
       and pg_notification_queue_usage() < 0.9
    then
        perform pg_notify(channel, payload);
        return true;
    end if;
    return false;
end
$$;

-- The gate of a job name: one of 1024, so that no transaction fills the server's table of locks.
create function asyncjob.gate_key(job_name text) returns integer language sql immutable
begin atomic
    select hashtext(job_name) & 1023;
end;

-- Return whether a ready row of this name needs no notification: no daemon that serves the name sleeps, so that
-- its gate is open, or this transaction has notified them already.
create function asyncjob.is_open(job_name text) returns boolean language sql volatile
begin atomic
    select pg_try_advisory_xact_lock_shared('asyncjob.job'::regclass::integer, asyncjob.gate_key(job_name))
           or current_setting('asyncjob.announced', true) is not distinct from job_name;
end;

-- Tell the daemons of a row that becomes ready, will be soon, or waits for other jobs. A commit that notifies
-- waits for all others that do: of a ready row they are told only while a daemon that serves the name sleeps, and
-- so has the gate (an advisory lock; wakeup/lock_gates). The daemons' timers look at least once a minute. The
-- first row of a name is enough for a transaction; of rows that are due soon, the first in each second.
create function asyncjob.announce(job_name text, status asyncjob.status, due_at timestamptz) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if status = 'In Progress' then
        if not asyncjob.is_open(job_name) then
            if asyncjob.notify('asyncjob', 'ready ' || job_name) then
                perform set_config('asyncjob.announced', job_name, true);
            end if;
        end if;
    elsif status = 'Queued' and due_at < now() + interval '1 minute' then
        perform asyncjob.notify('asyncjob', 'due ' || floor(extract(epoch from due_at)));
    elsif status = 'Queued' and due_at = 'infinity' then
        perform asyncjob.notify('asyncjob', 'waits');
    end if;
end
$$;


-- ---------------------------------------------------------------- the client's rules: what all of them share

-- Return who writes: the role, and for whom, as the session says. Nobody checks the latter.
create function asyncjob.actor() returns text language sql stable set search_path = pg_catalog, pg_temp
begin atomic
    select session_user || coalesce(' for ' || nullif(nullif(printable.name, ''), session_user), '')
      from regexp_replace(left(current_setting('asyncjob.actor', true), 200), '[^[:print:]]', '?', 'g')
           as printable (name);
end;

-- The status of a row that no daemon owns and that may run from that time on.
create function asyncjob.waiting_status(due_at timestamptz) returns asyncjob.status language sql stable
begin atomic
    select case when due_at > now() then 'Queued'::asyncjob.status else 'In Progress'::asyncjob.status end;
end;

-- Return whether an interval is a duration: more than 0 and at most 1000 years, and not with negative months.
-- For comparisons PostgreSQL takes a month for 30 days, by which '-1 mon 31 days' is a day, but a grid of it
-- would run backwards.
create function asyncjob.is_duration(value interval) returns boolean language sql immutable
begin atomic
    select value > interval '0' and value <= interval '1000 years'
           and date_part('year', value) between 0 and 1000 and date_part('month', value) >= 0;
end;

-- Refuse a row that nobody could run. Constraints would say the same, but PostgreSQL reads the condition of
-- each anew for every statement, which would take several times as long as the insert itself.
create function asyncjob.check_values(job asyncjob.job) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    problem constant text := case
        when octet_length(job.job_name) not between 1 and 500
        then 'job_name must have 1 to 500 bytes'
        when job.schedule_time not between '1000-01-01 UTC' and '9000-01-01 UTC'
        then 'schedule_time must lie between the years 1000 and 9000'
        when not asyncjob.is_duration(job.retry_interval)
        then 'retry_interval must be more than 0 and at most 1000 years'
        when job.retry_backoff not between 1 and 1000
        then 'retry_backoff must be from 1 to 1000'
        when not asyncjob.is_duration(job.retry_interval_max)
        then 'retry_interval_max must be more than 0 and at most 1000 years'
        when job.retry_jitter not between 0 and 1
        then 'retry_jitter must be from 0 to 1'
        when job.max_execution_count < 1
        then 'max_execution_count must be at least 1'
        when not asyncjob.is_duration(job.timeout)
        then 'timeout must be more than 0 and at most 1000 years'
        when octet_length(job.unique_key) > 500
        then 'unique_key must have at most 500 bytes'
        when octet_length(job.debounce_key) > 500
        then 'debounce_key must have at most 500 bytes'
        when octet_length(job.once_key) > 500
        then 'once_key must have at most 500 bytes'
        when octet_length(job.limit_key) not between 1 and 500
        then 'limit_key must have 1 to 500 bytes'
        when array_ndims(job.waits_for) > 1 or cardinality(job.waits_for) > 10000
        then 'waits_for must be a list of at most 10000 ids'
        when array_position(job.waits_for, null) is not null
        then 'waits_for must have no null in it' end;
    column_name text;
begin
    if problem is not null then
        column_name := split_part(problem, ' ', 1);
        raise exception 'asyncjob.job: %, and is %', problem,
                        coalesce(nullif(left(to_jsonb(job) ->> column_name, 100), ''), 'empty')
          using errcode = 'check_violation', schema = 'asyncjob', table = 'job', column = column_name,
                constraint = format('job_%s_check', column_name);
    end if;
end
$$;

create function asyncjob.refuse_daemon_columns(before jsonb, after jsonb) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    columns text := (
        select string_agg(key, ', ' order by key)
          from jsonb_each(after) as a join jsonb_each(before) as b using (key)
         where a.value <> b.value
           and key not in ('job_name', 'params', 'status', 'schedule_time', 'priority', 'retry_interval',
                           'retry_backoff', 'retry_interval_max', 'retry_jitter', 'max_execution_count',
                           'is_recursive', 'timeout', 'parent_id', 'unique_key', 'debounce_key', 'once_key',
                           'limit_key', 'traceparent', 'waits_for', 'waits_for_children', 'when_failed'));
begin
    raise exception 'asyncjob.job %: a client cannot write what belongs to the daemon: %',
                    after ->> 'id', columns
      using errcode = 'insufficient_privilege',
            hint = 'A client writes job_name, params, status, schedule_time, priority, retry_interval, '
                   'retry_backoff, retry_interval_max, retry_jitter, max_execution_count, is_recursive, '
                   'timeout, parent_id, unique_key, debounce_key, once_key, limit_key, traceparent, '
                   'waits_for, waits_for_children and when_failed.';
end
$$;


-- ---------------------------------------------------------------- the client's rules: dependencies

-- These functions are planned once, and use their indexes whatever the statistics say: in a bulk INSERT those
-- are from before it.

create function asyncjob.has_dependencies(job asyncjob.job) returns boolean language sql immutable
begin atomic
    select coalesce(cardinality(job.waits_for) > 0, false) or coalesce(job.waits_for_children, false);
end;

-- Refuse what a row cannot wait for: jobs that do not exist, and those that wait for it themselves. `known`:
-- the jobs that it has waited for so far, which may have been deleted; null: the row is new. At most 10,000 jobs
-- are walked through in search of a circle; `doctor` finds the others.
create function asyncjob.check_dependencies(job asyncjob.job, known bigint[]) returns void
    language plpgsql set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    set plan_cache_mode = force_generic_plan as $$
declare
    missing constant bigint[] := array(
        select needed.id from unnest(job.waits_for) as needed (id)
         where not exists (select from asyncjob.job as present where present.id = needed.id)
           and (needed.id = any (known)) is not true
         order by needed.id);
    parent_waits constant boolean := exists (
        select from asyncjob.job as parent
         where parent.id = job.parent_id and parent.waits_for_children and parent.waits_on is not null);
begin
    if cardinality(missing) > 0 then
        raise exception 'asyncjob.job: waits_for names jobs that do not exist: %',
                        array_to_string(missing[1:10], ', ')
          using errcode = 'foreign_key_violation', schema = 'asyncjob', table = 'job', column = 'waits_for';
    end if;
    -- Nobody can wait for a new row, unless its parent does, or it is its own
    if job.waits_for_children and job.parent_id = job.id or (known is not null or parent_waits) and exists (
        with recursive reached (id) as (
            (select needed.id from unnest(job.waits_for) as needed (id)
             union
             select child.id from asyncjob.job as child
              where job.waits_for_children and child.parent_id = job.id)
            union
            select next.id
              from reached
              join asyncjob.job as waiting on waiting.id = reached.id and waiting.waits_on is not null
             cross join lateral (
                   select needed.id from unnest(waiting.waits_for) as needed (id)
                    union all
                   select child.id from asyncjob.job as child
                    where waiting.waits_for_children and child.parent_id = waiting.id) as next
        )
        select from (select reached.id from reached limit 10000) as walked
         where walked.id = job.id or walked.id = job.parent_id and parent_waits)
    then
        raise exception 'asyncjob.job %: it would wait for itself', job.id
          using errcode = 'check_violation', schema = 'asyncjob', table = 'job', column = 'waits_for',
                hint = 'What it waits for, or its parent, waits for this job.';
    end if;
end
$$;

-- Return whether any row waits for other jobs, by one look at an index in each transaction.
create function asyncjob.is_any_waiting() returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
    if coalesce(current_setting('asyncjob.waited_for', true), '') = '' then
        perform set_config('asyncjob.waited_for', (exists (
            select from (select job.waits_on from asyncjob.job
                          where job.waits_on is not null and job.status = 'Queued'
                          order by job.waits_on limit 1) as first))::text, true);
    end if;
    return current_setting('asyncjob.waited_for')::boolean;
end
$$;

-- Return the ids of a job and all beneath it: its children, and theirs.
create function asyncjob.tree(job_id bigint) returns setof bigint
    language plpgsql stable set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    set plan_cache_mode = force_generic_plan as $$
begin
    return query
        with recursive tree (id) as (
            values (job_id)
            union
            select child.id from tree join asyncjob.job as child on child.parent_id = tree.id
        )
        select tree.id from tree;
end
$$;

-- Fail a job and all beneath it that have not ended, and return how many have been. A handler that is stopped by it
-- may insert another child meanwhile: call it until it returns 0 and no job beneath it has a daemon_id.
create function asyncjob.cancel_tree(job_id bigint) returns bigint
    language plpgsql set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    set plan_cache_mode = force_generic_plan as $$
declare
    cancelled bigint;
begin
    with locked as materialized (
        select job.id from asyncjob.job
         where job.id in (select tree.id from asyncjob.tree(job_id) as tree (id))
           and job.status in ('Queued', 'In Progress', 'Hold')
         order by job.id
           for no key update
    )
    update asyncjob.job set status = 'Failed' from locked where job.id = locked.id;
    get diagnostics cancelled = row_count;
    return cancelled;
end
$$;


-- ---------------------------------------------------------------- the client's rules: insert

-- Return a new row as the rules make it, and announce it. Refuse what a client may not write.
create function asyncjob.as_inserted(new asyncjob.job) returns asyncjob.job
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform asyncjob.check_values(new);
    if current_setting('asyncjob.engine', true) = 'on'
       and has_table_privilege('asyncjob.daemon'::regclass, 'insert')
    then                                    -- the row of a dump is restored as it is
        perform asyncjob.announce(new.job_name, new.status, new.due_at);
        return new;
    end if;
    if num_nulls(new.id, new.params, new.status, new.priority, new.execution_count, new.execution_total,
                 new.occurrence, new.stop_requested) > 0
    then                                    -- an ORM writes null where it means the default
        new.id := coalesce(new.id, nextval('asyncjob.job_id_seq'));
        new.params := coalesce(new.params, '{}');
        new.status := coalesce(new.status, 'In Progress');
        new.priority := coalesce(new.priority, 0);
        new.execution_count := coalesce(new.execution_count, 0);
        new.execution_total := coalesce(new.execution_total, 0);
        new.occurrence := coalesce(new.occurrence, 0);
        new.stop_requested := coalesce(new.stop_requested, false);
    end if;
    -- An id that the sequence has yet to give would fail the insert of whoever gets it; those that it has
    -- passed do no harm.
    if new.id not between 1 and coalesce(pg_sequence_last_value('asyncjob.job_id_seq'), 0) then
        raise exception 'asyncjob.job %: a client cannot write an id that the table has not given', new.id
          using errcode = 'insufficient_privilege', hint = 'Leave id out.';
    end if;
    new.created_at := now();
    new.created_by := session_user;
    new.due_at := coalesce(new.schedule_time, now());
    if new.status in ('Completed', 'Failed')
       and num_nonnulls(new.daemon_id, new.claim_token, new.hold_reason, new.waits_on) = 0
       and not new.stop_requested
    then                                    -- history is recorded as it is, if it can be read and counted on
        new.finished_at := coalesce(new.finished_at, now());
        new.ordered_at := null;
        new.ordered_by := null;
        if least(new.started_at, new.finished_at, new.last_execution_time) < '1000-01-01 UTC'
           or greatest(new.started_at, new.finished_at, new.last_execution_time) > '9000-01-01 UTC'
           or new.occurrence not between 0 and 1000000000000000 or new.progress not between 0 and 1
           or least(new.execution_count, new.execution_total) < 0
        then
            raise exception 'asyncjob.job: no such history: '
                            'started_at %, finished_at %, last_execution_time %, occurrence %, progress %, '
                            'execution_count %, execution_total %',
                            new.started_at, new.finished_at, new.last_execution_time, new.occurrence,
                            new.progress, new.execution_count, new.execution_total
              using errcode = 'check_violation',
                    hint = 'Times lie between the years 1000 and 9000, occurrence between 0 and 10^15, '
                           'progress between 0 and 1, and counts are not negative.';
        end if;
        return new;
    end if;
    if new.execution_count <> 0 or new.execution_total <> 0 or new.occurrence <> 0 or new.stop_requested
       or num_nonnulls(new.progress, new.progress_message, new.result, new.message, new.traceback,
                       new.log, new.last_execution_status, new.last_execution_time, new.started_at,
                       new.finished_at, new.ordered_at, new.ordered_by, new.hold_reason, new.waits_on,
                       new.daemon_id, new.claim_token) > 0
    then
        perform asyncjob.refuse_daemon_columns(
            to_jsonb(new) || jsonb_build_object(
                'execution_count', 0, 'execution_total', 0, 'occurrence', 0, 'progress', null,
                'progress_message', null, 'result', null, 'message', null, 'traceback', null,
                'log', null, 'last_execution_status', null, 'last_execution_time', null, 'started_at', null,
                'finished_at', null, 'ordered_at', null, 'ordered_by', null, 'hold_reason', null,
                'waits_on', null, 'daemon_id', null, 'claim_token', null, 'stop_requested', false),
            to_jsonb(new));
    end if;
    if asyncjob.has_dependencies(new) then
        perform asyncjob.check_dependencies(new, null);
        new.waits_on := 0;
        new.due_at := 'infinity';
    end if;
    if new.status in ('Queued', 'In Progress') then
        new.status := asyncjob.waiting_status(new.due_at);
        perform asyncjob.announce(new.job_name, new.status, new.due_at);
    end if;
    return new;
end
$$;

-- Return the name of a job that is asked for once more. Refuse a request for a job of another name: it would be lost.
create function asyncjob.debounced_name(job_id bigint, job_name text, debounce_key text, asked text) returns text
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if job_name <> asked then
        raise exception 'asyncjob.job: debounce_key ''%'' is that of job % of %: a job of % needs another one',
                        debounce_key, job_id, job_name, asked
          using errcode = 'unique_violation', schema = 'asyncjob', table = 'job', column = 'debounce_key',
                constraint = 'job_debounce_key', hint = 'Write the job name into the key.';
    end if;
    return asked;
end
$$;

-- Insert a job that starts `delay` after the last request with its key, but at most `at_most` after the first, and
-- return its id. One that has started is left alone: the request makes another one.
create function asyncjob.debounce(
    job_name text, params jsonb, key text, delay interval, at_most interval default null
) returns bigint
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    job_id bigint;
begin
    if key is null then
        raise exception 'asyncjob.debounce: key must not be null: each job would be one of its own'
          using errcode = 'null_value_not_allowed';
    end if;
    insert into asyncjob.job (job_name, params, debounce_key, schedule_time)
    values (debounce.job_name, debounce.params, key, now() + least(delay, at_most))
        on conflict (debounce_key)
           where job.debounce_key is not null and job.started_at is null and job.finished_at is null
        do update set job_name = asyncjob.debounced_name(
                          job.id, job.job_name, job.debounce_key, excluded.job_name),
                      params = excluded.params,
                      schedule_time = least(excluded.schedule_time, job.created_at + at_most)
    returning job.id into job_id;
    return job_id;
end
$$;

-- Return whether a new row is as most are: a name, params, perhaps a limit_key, no time, all else by default.
-- `others`: how many of the other columns that are null by default are not.
create function asyncjob.is_usual(
    id bigint, job_name text, params jsonb, status asyncjob.status, priority smallint, due_at timestamptz,
    execution_count integer, execution_total integer, occurrence bigint, created_at timestamptz,
    created_by text, stop_requested boolean, limit_key text, others integer
) returns boolean language sql volatile
begin atomic
    select others = 0 and status = 'In Progress' and params is not null and priority is not null
           and execution_count = 0 and execution_total = 0 and occurrence = 0 and not stop_requested
           and due_at = now() and created_at = now() and created_by = session_user
           and octet_length(job_name) between 1 and 500
           and (limit_key is null or octet_length(limit_key) between 1 and 500)
           and id between 1 and pg_sequence_last_value('asyncjob.job_id_seq');
end;

-- Called for each new row. It sets no search_path, and its trigger has no condition: either would cost every
-- INSERT more than it saves (docs/why/inserts.md). So all its names are qualified, and it has no operators.
create function asyncjob.job_inserted() returns trigger language plpgsql as $$
begin
    if asyncjob.is_usual(
           new.id, new.job_name, new.params, new.status, new.priority, new.due_at, new.execution_count,
           new.execution_total, new.occurrence, new.created_at, new.created_by, new.stop_requested,
           new.limit_key, pg_catalog.num_nonnulls(
               new.schedule_time, new.retry_interval, new.retry_backoff, new.retry_interval_max,
               new.retry_jitter, new.max_execution_count, new.timeout, new.unique_key, new.debounce_key,
               new.once_key, new.waits_for, new.waits_for_children, new.progress, new.progress_message,
               new.result, new.message, new.traceback, new.log, new.last_execution_status,
               new.last_execution_time, new.started_at, new.finished_at, new.ordered_at, new.ordered_by,
               new.hold_reason, new.waits_on, new.daemon_id, new.claim_token))
       and asyncjob.is_open(new.job_name)
    then
        return new;
    end if;
    return asyncjob.as_inserted(new);
end
$$;

-- It is the last in the order of names, so that it sees what a trigger of the site has made of the row.
create trigger zz_job_inserted before insert on asyncjob.job for each row
    execute function asyncjob.job_inserted();


-- ---------------------------------------------------------------- the client's rules: update and delete

-- It runs with its owner's rights, as clients may not write into asyncjob.execution. On another table, the
-- types of that table would bring code that runs with these rights: so it looks where it is, before it
-- touches a value.
create function asyncjob.job_updated_by_client() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    is_owned        boolean;
    is_moved        boolean;
    is_retimed      boolean;
    is_rewired      boolean;
    runs_again      boolean;
    goes_on         boolean;
begin
    if tg_relid <> 'asyncjob.job'::regclass then
        raise exception '%: this trigger is for asyncjob.job alone', tg_relid::regclass
          using errcode = 'insufficient_privilege';
    end if;
    if (new.id, new.due_at, new.execution_count, new.execution_total, new.occurrence, new.progress,
        new.progress_message, new.result, new.message, new.traceback, new.log, new.last_execution_status,
        new.last_execution_time, new.started_at, new.finished_at, new.created_at, new.created_by,
        new.ordered_at, new.ordered_by, new.hold_reason, new.waits_on, new.daemon_id, new.claim_token,
        new.stop_requested)
       is distinct from
       (old.id, old.due_at, old.execution_count, old.execution_total, old.occurrence, old.progress,
        old.progress_message, old.result, old.message, old.traceback, old.log, old.last_execution_status,
        old.last_execution_time, old.started_at, old.finished_at, old.created_at, old.created_by,
        old.ordered_at, old.ordered_by, old.hold_reason, old.waits_on, old.daemon_id, old.claim_token,
        old.stop_requested)
    then
        perform asyncjob.refuse_daemon_columns(to_jsonb(old), to_jsonb(new));
    end if;
    perform asyncjob.check_values(new);

    is_owned := old.daemon_id is not null;
    is_moved := new.status <> old.status;
    is_retimed := new.schedule_time is distinct from old.schedule_time;
    is_rewired := (new.waits_for, new.waits_for_children)
                  is distinct from (old.waits_for, old.waits_for_children)
                  or new.when_failed is distinct from old.when_failed and old.waits_on is not null;
    runs_again := old.status in ('Completed', 'Failed') and new.status in ('Queued', 'In Progress');

    if is_rewired or new.parent_id is distinct from old.parent_id then
        perform asyncjob.check_dependencies(new, coalesce(old.waits_for, '{}'));
    end if;

    if is_owned then                        -- the running execution needs what it was claimed with
        new.retry_interval := coalesce(new.retry_interval, old.retry_interval);
        new.max_execution_count := coalesce(new.max_execution_count, old.max_execution_count);
        new.is_recursive := coalesce(new.is_recursive, old.is_recursive);
        if old.is_recursive then
            new.schedule_time := coalesce(new.schedule_time, old.schedule_time);
        end if;
    end if;

    if runs_again then
        if not is_owned and old.last_execution_status is not null then    -- what the row showed is kept
            insert into asyncjob.execution (job_id, number, started_at, finished_at, status, message,
                                            traceback, log)
            values (old.id, old.execution_total, old.started_at, coalesce(old.last_execution_time, now()),
                    old.last_execution_status, old.message, old.traceback, old.log)
                on conflict do nothing;
        end if;
        new.occurrence := old.occurrence + 1;
        new.execution_count := 0;
        new.progress := null;
        new.progress_message := null;
        new.result := null;
        new.message := null;
        new.traceback := null;
        new.log := null;
        new.finished_at := null;
        new.due_at := greatest(new.schedule_time, now());
    elsif old.status in ('Completed', 'Failed') then
        if new.status = 'Hold' then         -- the client raced with the job's end, which stands
            new.status := old.status;
            return new;
        end if;
    elsif new.status in ('Completed', 'Failed') then
        new.finished_at := now();
        new.message := format('set to %s by %s', new.status, asyncjob.actor());
        if asyncjob.is_any_waiting() then
            perform asyncjob.notify('asyncjob', 'ended ' || old.id);
        end if;
    end if;

    if is_moved then
        new.ordered_at := now();
        new.ordered_by := asyncjob.actor();
        new.hold_reason := null;
        if new.status = 'In Progress' then
            new.due_at := now();
        end if;
        if is_owned and not old.stop_requested then
            new.stop_requested := true;
            perform asyncjob.notify(format('%s:%s', tg_table_schema, old.daemon_id), 'stop');
        end if;
    end if;
    goes_on := is_owned and not new.stop_requested;
    if is_retimed and new.status in ('Queued', 'In Progress', 'Hold')
       and (goes_on and (old.is_recursive or new.is_recursive)) is not true   -- its end finds the next time
    then
        new.due_at := coalesce(new.schedule_time, now());
    end if;

    if new.status in ('Completed', 'Failed') or is_moved and new.status = 'In Progress' then
        new.waits_on := null;               -- it waits for no other job any more
    elsif goes_on then                      -- noted for when it is stopped, or handed back unbegun
        if is_rewired then
            new.waits_on := case when asyncjob.has_dependencies(new) then 0 end;
        end if;
    elsif runs_again or is_rewired or old.waits_on is not null and (is_moved or is_retimed) then
        -- what it waits for is looked at anew
        if asyncjob.has_dependencies(new) then
            new.waits_on := 0;
            new.due_at := 'infinity';
        elsif old.waits_on is not null then
            new.waits_on := null;
            new.due_at := coalesce(new.schedule_time, now());
        end if;
    end if;

    if new.status in ('Queued', 'In Progress') and not is_owned then
        if is_moved or is_retimed or is_rewired then
            new.status := asyncjob.waiting_status(new.due_at);
        end if;
        if is_moved or is_retimed or is_rewired or new.job_name <> old.job_name
           or new.limit_key is distinct from old.limit_key
        then
            perform asyncjob.announce(new.job_name, new.status, new.due_at);
        end if;
    elsif new.status = 'In Progress' and new.stop_requested and new.due_at > now() then
        new.status := 'Queued';             -- as the row goes on once its handler has ended
    end if;
    return new;
end
$$;

-- Whether the session is a daemon's is asked for each row: a statement that sets asyncjob.engine in its own
-- course would be past any question that is asked once a statement.
create trigger zz_job_updated_by_client before update on asyncjob.job for each row
    when (current_setting('asyncjob.engine', true) is distinct from 'on'
          or not has_table_privilege('asyncjob.daemon'::regclass, 'insert'))
    execute function asyncjob.job_updated_by_client();

-- It runs with its owner's rights, too: whether others wait for the row, a client may not be able to see.
create function asyncjob.job_deleted() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
    if tg_relid <> 'asyncjob.job'::regclass then
        raise exception '%: this trigger is for asyncjob.job alone', tg_relid::regclass
          using errcode = 'insufficient_privilege';
    end if;
    if old.daemon_id is not null then
        perform asyncjob.notify(format('%s:%s', tg_table_schema, old.daemon_id), 'stop');
    end if;
    if exists (select from asyncjob.job where job.waits_on = old.id and job.status = 'Queued') then
        perform asyncjob.notify('asyncjob', 'ended ' || old.id);
    end if;
    return null;
end
$$;

create trigger job_deleted after delete on asyncjob.job for each row
    when (old.status in ('Queued', 'In Progress', 'Hold') or old.daemon_id is not null)
    execute function asyncjob.job_deleted();


-- ---------------------------------------------------------------- what clients control of daemons

-- Keep who has paused an action, and since when, and tell the daemons.
create function asyncjob.action_controlled() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if new.paused_until is distinct from old.paused_until then
        if new.paused_until > now() then
            new.paused_by := asyncjob.actor();
            new.paused_at := case when old.paused_until > now() then old.paused_at else now() end;
        else
            new.paused_by := null;
            new.paused_at := null;
        end if;
    end if;
    perform asyncjob.notify('asyncjob', 'action');
    return new;
end
$$;

create trigger action_controlled before update on asyncjob.action for each row
    when (new.paused_until is distinct from old.paused_until
          or new.max_running is distinct from old.max_running
          or new.max_running_per_key is distinct from old.max_running_per_key
          or new.rate is distinct from old.rate
          or new.rate_per_key is distinct from old.rate_per_key
          or new.burst is distinct from old.burst
          or new.max_running_per_daemon is distinct from old.max_running_per_daemon)
    execute function asyncjob.action_controlled();

create function asyncjob.daemon_drained() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform asyncjob.notify(format('%s:%s', tg_table_schema, new.id), 'drain');
    return null;
end
$$;

create trigger daemon_drained after update on asyncjob.daemon for each row
    when (new.is_draining <> old.is_draining) execute function asyncjob.daemon_drained();


-- ---------------------------------------------------------------- schedules

-- Refuse a schedule that nobody could follow, or that would make no job.
create function asyncjob.check_schedule(schedule asyncjob.schedule) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    problem constant text := case
        when octet_length(schedule.name) not between 1 and 400
        then 'name must have 1 to 400 bytes'
        when octet_length(schedule.job_name) not between 1 and 500
        then 'job_name must have 1 to 500 bytes'
        when num_nonnulls(schedule.cron, schedule.every) <> 1
        then 'cron or every must be there, and not both; cron'
        when schedule.cron !~ '^(@[A-Za-z]+|[[:space:]]*[^[:space:]@]+([[:space:]]+[^[:space:]@]+){4,5}[[:space:]]*)$'
             or octet_length(schedule.cron) > 500
        then 'cron must have 5 fields (minute hour day month weekday), or 6 with the seconds first'
        when octet_length(schedule.time_zone) not between 1 and 100
        then 'time_zone must be a name such as Europe/Berlin'
        when date_part('year', schedule.every) <> 0 or date_part('month', schedule.every) <> 0
        then 'every must be without months and years, which cron has'
        when schedule.every not between '1 second' and '360000 days'
        then 'every must be from 1 second to 360000 days'
        when schedule.anchor not between '1000-01-01 UTC' and '9000-01-01 UTC'
        then 'anchor must lie between the years 1000 and 9000'
        when schedule.max_execution_count < 1
        then 'max_execution_count must be at least 1'
        when not asyncjob.is_duration(schedule.timeout)
        then 'timeout must be more than 0 and at most 1000 years'
        when octet_length(schedule.limit_key) not between 1 and 500
        then 'limit_key must have 1 to 500 bytes'
        when schedule.catch_up not in ('none', 'one', 'all')
        then 'catch_up must be none, one or all'
        when schedule.catch_up_for <> '0' and not asyncjob.is_duration(schedule.catch_up_for)
        then 'catch_up_for must be from 0 to 1000 years'
        when schedule.overlap not in ('skip', 'queue', 'allow')
        then 'overlap must be skip, queue or allow'
        when schedule.jitter not between '0' and '1 day'
        then 'jitter must be from 0 to 1 day'
        when isfinite(schedule.paused_until)
             and schedule.paused_until not between '1000-01-01 UTC' and '9000-01-01 UTC'
        then 'paused_until must be infinity, or lie between the years 1000 and 9000'
        when schedule.next_at not between '1000-01-01 UTC' and '9000-01-01 UTC'
        then 'next_at must lie between the years 1000 and 9000' end;
    column_name text;
begin
    if problem is not null then
        column_name := split_part(problem, ' ', 1);
        raise exception 'asyncjob.schedule %: %, and is %', left(schedule.name, 100), problem,
                        coalesce(nullif(left(to_jsonb(schedule) ->> column_name, 100), ''), 'empty')
          using errcode = 'check_violation', schema = 'asyncjob', table = 'schedule', column = column_name,
                constraint = format('schedule_%s_check', column_name);
    end if;
end
$$;

-- Check what was written, have its next time found anew where its times are others, and tell the daemons.
create function asyncjob.schedule_written() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    is_daemons constant boolean := current_setting('asyncjob.engine', true) is not distinct from 'on'
                                   and has_table_privilege('asyncjob.daemon'::regclass, 'insert');
    is_changed constant boolean := (new.cron, new.every, new.time_zone, new.anchor)
                                   is distinct from (old.cron, old.every, old.time_zone, old.anchor);
    is_resumed constant boolean := old.paused_until > now() and (new.paused_until > now()) is not true;
begin
    perform asyncjob.check_schedule(new);
    if not is_daemons
       and (new.source, new.configured_by, new.last_at, new.last_job_id, new.problem) is distinct from
           (coalesce(old.source, 'sql'), old.configured_by, old.last_at, old.last_job_id, old.problem)
    then
        raise exception 'asyncjob.schedule %: a client cannot write what belongs to the daemon: '
                        'source, configured_by, last_at, last_job_id and problem', new.name
          using errcode = 'insufficient_privilege';
    end if;
    if not is_daemons and old.configured_by is not null
       and to_jsonb(new) - '{paused_until,next_at}'::text[]
           <> to_jsonb(old) - '{paused_until,next_at}'::text[]
    then
        raise exception 'asyncjob.schedule %: it belongs to the configuration of daemon %',
                        old.name, old.configured_by
          using errcode = 'insufficient_privilege',
                hint = 'Change it there, and reload. SQL may pause it (paused_until) and run it now '
                       '(next_at).';
    end if;
    if tg_op = 'UPDATE' and (is_changed or is_resumed) and new.next_at is not distinct from old.next_at then
        new.next_at := null;                -- what a pause has passed is not caught up
    end if;
    if tg_op = 'UPDATE' and is_changed and new.problem is not distinct from old.problem then
        new.problem := null;
    end if;
    new.changed_at := case                  -- what a client writes there does not count
        when is_changed or (new.catch_up, new.catch_up_for, new.paused_until)
                           is distinct from (old.catch_up, old.catch_up_for, old.paused_until)
        then clock_timestamp() else old.changed_at end;
    if new.next_at is null or not is_daemons then
        perform asyncjob.notify('asyncjob', 'schedule');
    end if;
    return new;
end
$$;

create trigger schedule_written before insert or update on asyncjob.schedule for each row
    execute function asyncjob.schedule_written();

-- Return the job that keeps another one with this key, the unique_key or the debounce_key, from being inserted.
create function asyncjob.open_job_of(key text) returns bigint
    language sql stable
begin atomic
    select coalesce(
        (select job.id from asyncjob.job
          where job.unique_key = key and job.status in ('Queued', 'In Progress', 'Hold')),
        (select job.id from asyncjob.job
          where job.debounce_key = key and job.started_at is null and job.finished_at is null));
end;

-- Move a schedule on from the time `next_at` (null: none was found yet) to the `following` one, and insert a job
-- for each of `times`. Return the ids of the jobs, the times that were skipped, and the open job that was why.
-- No row: another daemon has moved it, or it is another since it was read, with another `changed_at`, or somebody
-- has locked it, or a job with one of its keys.
--
-- The keys of the jobs decide which there can be: the once_key one for each time, the unique_key one that has not
-- ended, the debounce_key one that has not begun. The latter waits for the job before it. So does a job of a time
-- that is caught up, of which there may be any number: it has neither key. The job before it need not be the last
-- one of the schedule: that may be new under its name, and a job that ended earlier may have been run again.
create function asyncjob.move_schedule(
    name text, changed_at timestamptz, next_at timestamptz, following timestamptz, times timestamptz[],
    problem text
) returns table (job_name text, made bigint[], skipped timestamptz[], open_job bigint)
    language plpgsql set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set lock_timeout = '20ms' as $$      -- other schedules wait for as long
declare
    moved     asyncjob.schedule;
    key       constant text := 'schedule ' || move_schedule.name;
    starts_at timestamptz;
    time_key  text;
    due_at    timestamptz;
    before    bigint;                           -- an open job
    is_late   boolean;                          -- the time is caught up, if there is anything to wait for
    is_chained boolean;                         -- it is caught up, and waits for the one before
    job_id    bigint;
begin
    select schedule.* into moved from asyncjob.schedule
     where schedule.name = move_schedule.name and schedule.next_at is not distinct from move_schedule.next_at
       and schedule.changed_at = move_schedule.changed_at
       and (schedule.next_at is null or (schedule.paused_until > now()) is not true)
       for no key update skip locked;
    if not found then
        return;
    end if;
    perform set_config('synchronous_commit', 'off', true);      -- a claim's commit waits for this one, too
    job_name := moved.job_name;
    made := '{}';
    skipped := '{}';
    foreach starts_at in array times loop
        time_key := rtrim(to_char(starts_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0');
        time_key := format('%s %sZ', key, rtrim(time_key, '.'));
        due_at := greatest(now(), starts_at + moved.jitter * ((hashtext(time_key) & 65535) / 65536.0));
        select job.id into before from asyncjob.job
         where job.id = moved.last_job_id and job.status in ('Queued', 'In Progress', 'Hold')
           and moved.overlap <> 'allow';
        is_late := moved.catch_up = 'all' and moved.overlap <> 'allow'
                   and (made <> '{}' or starts_at < now() - interval '1 minute');
        if is_late and before is null then
            before := asyncjob.open_job_of(key);
        end if;
        is_chained := is_late and before is not null;
        if moved.overlap = 'skip' and before is not null and not is_chained then
            skipped := skipped || starts_at;
            continue;
        end if;
        due_at := case when before is null then due_at else 'infinity' end;
        insert into asyncjob.job (job_name, params, status, schedule_time, due_at, priority,
                                  max_execution_count, is_recursive, timeout, limit_key, once_key, unique_key,
                                  debounce_key, waits_for, waits_on, when_failed)
        values (moved.job_name, moved.params, asyncjob.waiting_status(due_at), starts_at, due_at,
                moved.priority, moved.max_execution_count, false, moved.timeout, moved.limit_key, time_key,
                case when moved.overlap = 'skip' and not is_chained then key end,
                case when moved.overlap = 'queue' and not is_chained then key end,
                case when before is not null then array[before] end, case when before is not null then 0 end,
                case when before is not null then 'Queued'::asyncjob.status end)
            on conflict do nothing
        returning job.id into job_id;
        if job_id is null then
            skipped := skipped || starts_at;
        else
            made := made || job_id;
            moved.last_at := starts_at;
            moved.last_job_id := job_id;
        end if;
    end loop;
    update asyncjob.schedule
       set next_at = move_schedule.following, last_at = moved.last_at, last_job_id = moved.last_job_id,
           problem = move_schedule.problem
     where schedule.name = move_schedule.name;
    if skipped <> '{}' then
        open_job := coalesce(asyncjob.open_job_of(key), before);
    end if;
    return next;
exception when lock_not_available then
    return;
end
$$;


-- ---------------------------------------------------------------- limits

-- A limit counts the rows that daemons own: a place is free again when its row is, whatever becomes of a
-- daemon. The claims of a limited action take a lock, one after the other, so that each counts what those
-- before it have claimed.

-- Return how many jobs may start at once at a rate.
create function asyncjob.burst_of(seconds_per_start float8, burst integer) returns integer
    language sql immutable
begin atomic
    select coalesce(burst, greatest(1, floor(1 / seconds_per_start)));
end;

-- Return how many jobs may start now by the rate of a bucket, and where that is none, in how many seconds one
-- may. A bucket that was used at another rate is full again. `is_ahead`: half of the burst is left.
create function asyncjob.starts_left(
    job_name text, limit_key text, seconds_per_start float8, burst integer, is_ahead boolean default false,
    out starts integer, out seconds float8
) language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    most constant integer := asyncjob.burst_of(seconds_per_start, burst);
    debt          float8;                       -- seconds until all starts are paid for
begin
    select extract(epoch from bucket.free_at - clock_timestamp()) into debt from asyncjob.bucket
     where bucket.job_name = starts_left.job_name and bucket.limit_key = starts_left.limit_key
       and bucket.seconds_per_start = starts_left.seconds_per_start;
    if debt is null or debt < 0 or debt > most * seconds_per_start + 60 then   -- the clock was set back
        debt := 0;
    end if;
    starts := greatest(floor(most - debt / seconds_per_start + 0.000001)
                       - case when is_ahead then (most + 1) / 2 else 0 end, 0);
    if starts = 0 then
        seconds := debt - (most - 1) * seconds_per_start;
    end if;
end
$$;

-- Take starts from buckets, and delete some of those that are full again.
create function asyncjob.take_from_buckets(
    job_name text, limit_keys text[], starts bigint[], seconds_per_start float8, burst integer
) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    started_at constant timestamptz := clock_timestamp();    -- at the latest
    step constant interval := make_interval(secs => seconds_per_start);
    last constant timestamptz := started_at + asyncjob.burst_of(seconds_per_start, burst) * step + interval '60 s';
begin
    insert into asyncjob.bucket as bucket (job_name, limit_key, seconds_per_start, free_at)
    select take_from_buckets.job_name, taken.limit_key, take_from_buckets.seconds_per_start,
           started_at + taken.starts * step
      from unnest(limit_keys, take_from_buckets.starts) as taken (limit_key, starts)
     order by taken.limit_key
        on conflict on constraint bucket_pkey do update
       set seconds_per_start = excluded.seconds_per_start,
           free_at = case when bucket.seconds_per_start = excluded.seconds_per_start
                               and bucket.free_at between started_at and last
                          then bucket.free_at + (excluded.free_at - started_at)
                          else excluded.free_at end;
    with full_again as materialized (           -- twice as many as were used, so that their number is bounded
        select bucket.limit_key from asyncjob.bucket
         where bucket.job_name = take_from_buckets.job_name and bucket.free_at < started_at - interval '1 minute'
         order by bucket.free_at
         limit 2 * cardinality(limit_keys)
    )
    delete from asyncjob.bucket using full_again
     where bucket.job_name = take_from_buckets.job_name and bucket.limit_key = full_again.limit_key;
end
$$;

-- Use up the starts that rows of an action take of its rates. `limit_keys`: of each of the rows.
create function asyncjob.take_starts(job_name text, limit_keys text[]) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    limits asyncjob.action;
begin
    select * into limits from asyncjob.action where action.name = take_starts.job_name;
    if limits.rate is not null then
        perform asyncjob.take_from_buckets(
            job_name, array[''], array[cardinality(limit_keys)], limits.seconds_per_start, limits.burst);
    end if;
    if limits.rate_per_key is not null then
        perform asyncjob.take_from_buckets(
                    job_name, array_agg(taken.limit_key), array_agg(taken.starts),
                    limits.seconds_per_start_per_key, limits.burst)
           from (select started.limit_key, count(*) as starts from unnest(limit_keys) as started (limit_key)
                  where started.limit_key is not null
                  group by started.limit_key) as taken
         having count(*) > 0;
    end if;
end
$$;

-- Return how many jobs of this name daemons own; `most` (null: any number): as many or more. It passes all jobs
-- that run: an index that has the names too would cost each job more than that costs a claim.
create function asyncjob.count_running(job_name text, most integer) returns integer
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return (select count(*)
              from (select from asyncjob.job
                     where job.daemon_id is not null and job.job_name = count_running.job_name
                     limit most) as counted);
end
$$;

-- Take the lock of an action, and return its limits, how many jobs may start now, and where that is none, in
-- how many seconds one may; null: when a place is free. `is_ahead`: half of each limit stays free.
create function asyncjob.limited_room(
    name text, is_ahead boolean, out limits asyncjob.action, out room integer, out seconds float8
) language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '250ms' as $$
declare
    of_buckets constant integer := 'asyncjob.bucket'::regclass::integer;
begin
    if not pg_try_advisory_xact_lock(of_buckets, hashtext(name)) then
        begin
            perform pg_advisory_xact_lock(of_buckets, hashtext(name));
        exception when lock_not_available then      -- a stranger has it: other actions must not wait for that
            room := 0;
            seconds := 1;
            return;
        end;
    end if;
    select * into limits from asyncjob.action where action.name = limited_room.name;
    room := 2147483647;
    if is_ahead then
        limits.max_running := limits.max_running / 2;
        limits.max_running_per_key := limits.max_running_per_key / 2;
    end if;
    if limits.rate is not null then
        select free.starts, free.seconds into room, seconds
          from asyncjob.starts_left(name, '', limits.seconds_per_start, limits.burst, is_ahead) as free;
    end if;
    if limits.max_running is not null then
        room := least(room, limits.max_running - asyncjob.count_running(name, limits.max_running));
    end if;
end
$$;

-- Return the same for one of its keys, with the limits that limited_room has returned.
create function asyncjob.key_room(
    limits asyncjob.action, key text, is_ahead boolean, out room integer, out seconds float8
) language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    room := 2147483647;
    if limits.rate_per_key is not null then
        select free.starts, free.seconds into room, seconds
          from asyncjob.starts_left(
               limits.name, key, limits.seconds_per_start_per_key, limits.burst, is_ahead) as free;
    end if;
    if limits.max_running_per_key is not null then
        room := least(room, limits.max_running_per_key - (
            select count(*)
              from (select from asyncjob.job
                     where job.job_name = limits.name and job.limit_key = key and job.daemon_id is not null
                     limit limits.max_running_per_key) as counted));
    end if;
end
$$;

-- Choose and lock up to `room` ready rows. Keys take turns, those behind `after_key` first: each has its first
-- row chosen before any has its second. After the last key comes the turn of the rows that have none. For what
-- is returned see pick_limited.
create function asyncjob.pick_by_turns(
    limits asyncjob.action, room integer, is_ahead boolean, left_alone bigint[],
    after_key text, after_priority smallint, after_id bigint,
    out places tid[], out last_key text, out last_priority smallint, out last_id bigint,
    out is_saturated boolean, out seconds float8
) language plpgsql set search_path = pg_catalog, pg_temp set enable_sort = off as $$   -- by job_keyed
declare
    most_keys   constant integer := 200;        -- that are looked at in search of those with room
    most_rows   constant integer := 1000;       -- likewise, of those without a key
    soon        constant float8 := 0.05;        -- seconds until the next look where nobody tells
    key         text := after_key;
    free        record;
    keys        text[] := '{}';
    rooms       integer[] := '{}';
    quota       integer;
    ready       record;
    looked_at   integer := 0;
    keyless     tid[] := '{}';
begin
    is_saturated := false;
    for number in 1 .. most_keys loop
        select job.limit_key into key from asyncjob.job
         where job.job_name = limits.name and job.limit_key > key
           and job.status = 'In Progress' and job.daemon_id is null
         order by job.limit_key
         limit 1;
        exit when key is null;
        free := asyncjob.key_room(limits, key, is_ahead);
        if free.room > 0 then
            keys := keys || key;
            rooms := rooms || free.room;
            exit when cardinality(keys) = room;
        else
            is_saturated := true;
            seconds := least(seconds, free.seconds);
        end if;
    end loop;
    last_key := coalesce(key, '');
    last_priority := after_priority;            -- where the search for rows without a key goes on
    last_id := after_id;

    if key is null then
        for ready in
            select job.ctid as place, job.limit_key, job.priority, job.id from asyncjob.job
             where job.job_name = limits.name and job.status = 'In Progress' and job.daemon_id is null
               and (job.priority, job.id) > (after_priority, after_id) and job.id <> all (left_alone)
             order by job.priority, job.id
             limit most_rows
        loop
            exit when cardinality(keys) + cardinality(keyless) = room;
            looked_at := looked_at + 1;
            last_priority := ready.priority;
            last_id := ready.id;
            if ready.limit_key is null then
                keyless := keyless || ready.place;
            end if;
        end loop;
        if looked_at = most_rows or cardinality(keys) + cardinality(keyless) = room then
            seconds := least(seconds, soon);
        end if;
    end if;

    quota := ceil(1.25 * room / greatest(1, cardinality(keys)));       -- not all of them fill theirs
    places := array(
        select candidate.place
          from (select chosen.place, turn.number,
                       row_number() over (partition by turn.number order by chosen.priority, chosen.id) as round
                  from unnest(keys, rooms) with ordinality as turn (key, room, number)
                 cross join lateral (
                       select job.ctid as place, job.priority, job.id from asyncjob.job
                        where job.job_name = limits.name and job.limit_key = turn.key
                          and job.status = 'In Progress' and job.daemon_id is null
                          and job.id <> all (left_alone)
                        order by job.daemon_id, job.priority, job.id
                        limit least(turn.room, quota)
                          for no key update skip locked) as chosen
                 union all
                select chosen.place, most_keys + 1, row_number() over (order by chosen.priority, chosen.id)
                  from (select job.ctid as place, job.priority, job.id from asyncjob.job
                         where job.ctid = any (keyless)
                           for no key update skip locked) as chosen) as candidate
         order by candidate.round, candidate.number
         limit pick_by_turns.room);
    if key is null and (places && keyless
                        or looked_at < most_rows and cardinality(keys) + cardinality(keyless) < room)
    then                                        -- the search has found some, or there are no more
        last_priority := null;
        last_id := null;
    end if;
    if places = '{}' and cardinality(keys) + cardinality(keyless) > 0 then     -- a client has locked them
        is_saturated := true;
        seconds := soon;
    end if;
end
$$;

-- Choose and lock ready rows of a limited action, at most `wanted` and as many as may start now: the first by
-- priority and id or, with limits per key, by turns. `is_ahead`: half of each limit stays free. `only_id`: that
-- row or none. A claim then calls take_starts for the rows that it takes.
--
-- places                      the rows
-- last_key                    behind which key the next turn begins; '': with the first. As it was before, if
--                             there is no room for any row
-- last_priority, last_id      behind which place rows without a key are looked for next; null: at the start
-- is_saturated                a limit has ended the choice: ready rows may be left
-- seconds                     until the rate lets one of them start, or the next look where nobody tells; null:
--                             they wait until a place is free
create function asyncjob.pick_limited(
    name text, wanted integer, is_ahead boolean, left_alone bigint[], only_id bigint,
    after_key text, after_priority smallint, after_id bigint,
    out places tid[], out last_key text, out last_priority smallint, out last_id bigint,
    out is_saturated boolean, out seconds float8
) language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    soon    constant float8 := 0.05;            -- seconds until the next look where nobody tells
    free    constant record := asyncjob.limited_room(name, is_ahead);
    limits  constant asyncjob.action := free.limits;
    is_keyed constant boolean := num_nonnulls(limits.max_running_per_key, limits.rate_per_key) > 0;
    picked  record;
begin
    places := '{}';
    last_key := '';
    is_saturated := is_ahead and free.room < wanted;
    if least(wanted, free.room) <= 0 then
        last_key := after_key;                  -- nobody has had a turn
        last_priority := after_priority;
        last_id := after_id;
        is_saturated := true;
        seconds := free.seconds;
    elsif only_id is not null then
        places := array(
            select job.ctid from asyncjob.job
             where job.id = only_id and job.job_name = name
               and job.status = 'In Progress' and job.daemon_id is null
               and (not is_keyed or job.limit_key is null
                    or (select key.room from asyncjob.key_room(limits, job.limit_key, is_ahead) as key) > 0)
               for no key update skip locked);
    elsif is_keyed then
        picked := asyncjob.pick_by_turns(
            limits, least(wanted, free.room), is_ahead, left_alone, after_key, after_priority, after_id);
        places := picked.places;
        last_key := picked.last_key;
        last_priority := picked.last_priority;
        last_id := picked.last_id;
        is_saturated := is_saturated or picked.is_saturated;
        seconds := picked.seconds;
    else
        places := array(
            select job.ctid from asyncjob.job
             where job.job_name = name and job.status = 'In Progress' and job.daemon_id is null
               and job.id <> all (left_alone)
             order by job.priority, job.id
             limit least(wanted, free.room)
               for no key update skip locked);
        if places = '{}' and exists (
            select from asyncjob.job
             where job.job_name = name and job.status = 'In Progress' and job.daemon_id is null
               and job.id <> all (left_alone))
        then                                    -- a client has locked them
            is_saturated := true;
            seconds := soon;
        end if;
    end if;
end
$$;

-- For a trigger of an action whose keys are in its params, such as (its name comes before zz_job_inserted):
--   create trigger webhook_limit_key before insert on asyncjob.job for each row
--     when (new.job_name = 'Webhook') execute function asyncjob.limit_key_from_params('tenant');
create function asyncjob.limit_key_from_params() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    new.limit_key := coalesce(new.limit_key, nullif(new.params ->> tg_argv[0], ''));
    return new;
end
$$;

-- The limited actions: how many of their jobs run, and when one may start again.
create view asyncjob.limits as
select action.name, action.max_running, action.max_running_per_key, action.rate, action.rate_per_key,
       action.burst, now.running,
       now.running >= action.max_running is true or free.starts = 0 is true as saturated,   -- none may start
       now() + make_interval(secs => free.seconds) as next_start_at     -- by the rate; null: at once
  from asyncjob.action
 cross join lateral (select asyncjob.count_running(action.name, null) as running) as now
  left join lateral asyncjob.starts_left(action.name, '', action.seconds_per_start, action.burst) as free
    on action.rate is not null
 where action.is_limited;


-- ---------------------------------------------------------------- the grid of a recursive job

-- The times anchor + k * step for k = 0, 1, 2, ..., in UTC, as PostgreSQL adds: months first (to the last day
-- of a month that is too short), then days of 24 hours, then the time. Times before the anchor do not count.
-- With a step such as '1 month -29 days' some numbers have a later time than the next ones.

-- The same as anchor + k * step, but exact: PostgreSQL multiplies in floating point, and may pass through
-- years that it cannot represent. 4800 months always have as many days.
create function asyncjob.grid_time(anchor timestamptz, step interval, k bigint) returns timestamptz
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    months  constant bigint := 12 * extract(year from step) + extract(month from step);
    seconds constant numeric := k * extract(epoch from step - make_interval(months => months::integer))
                                + div(k * months, 4800) * 146097 * 86400;
begin
    return (anchor at time zone 'UTC'
            + make_interval(months => (k * months % 4800)::integer)
            + make_interval(days => div(seconds, 86400)::integer, secs => mod(seconds, 86400)::float8))
           at time zone 'UTC';
end
$$;

-- How many times come after the anchor and not after `at`; -1 before the anchor. A month has 2,629,746
-- seconds in the mean, by which a time is off by less than 5 days (4.4): only numbers so near to `at` need
-- their times looked at.
create function asyncjob.grid_number(anchor timestamptz, step interval, at timestamptz) returns bigint
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    months    constant integer := 12 * extract(year from step) + extract(month from step);
    mean      constant numeric := extract(epoch from step - make_interval(months => months))
                                  + 2629746 * months::numeric;
    deviation constant integer := case months when 0 then 0 else 5 * 86400 end;
    elapsed   constant numeric := extract(epoch from at) - extract(epoch from anchor);
    k                  bigint := div(greatest(elapsed - deviation, 0), mean);   -- this time is not after `at`
    number             bigint := k;
begin
    if at < anchor then
        return -1;
    end if;
    loop
        k := k + 1;
        exit when k * mean - deviation > elapsed;
        number := number + (asyncjob.grid_time(anchor, step, k) <= at)::integer;
    end loop;
    return number;
end
$$;

-- The first time that is after `at`. It looks at the same numbers as grid_number.
create function asyncjob.next_grid_time(anchor timestamptz, step interval, at timestamptz) returns timestamptz
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    months    constant integer := 12 * extract(year from step) + extract(month from step);
    mean      constant numeric := extract(epoch from step - make_interval(months => months))
                                  + 2629746 * months::numeric;
    deviation constant integer := case months when 0 then 0 else 5 * 86400 end;
    elapsed   constant numeric := extract(epoch from at) - extract(epoch from anchor);
    k                  bigint := div(greatest(elapsed - deviation, 0), mean);
    candidate          timestamptz;
    earliest           timestamptz;
begin
    if at < anchor then
        return anchor;
    end if;
    loop
        k := k + 1;
        candidate := asyncjob.grid_time(anchor, step, k);
        if candidate > at then
            earliest := least(earliest, candidate);
        end if;
        exit when (k + 1) * mean - deviation > extract(epoch from earliest) - extract(epoch from anchor);
    end loop;
    return earliest;
end
$$;


-- ---------------------------------------------------------------- the delay of a retry

-- Return how long after the end of a try (from 1 on) the next one is due.
--
-- It is retry_interval * retry_backoff ^ (try - 1), at most retry_interval_max, and of this a part between
-- 1 - retry_jitter and 1: no retry comes later than the maximum. The part is drawn by the id and the try, so
-- that jobs that have failed together do not come back together, and that whoever asks gets the same answer.
-- A growth of e^40 makes thousands of years of a microsecond; without a bound it would overflow.
create function asyncjob.retry_delay(
    retry_interval interval, retry_backoff float8, retry_interval_max interval, retry_jitter float8,
    job_id bigint, try integer
) returns interval
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    backoff constant float8 := coalesce(retry_backoff, 1);
    most    constant interval := coalesce(retry_interval_max, interval '1000 years');
    growth  constant float8 := case when (try - 1) * ln(backoff) < 40 then backoff ^ (try - 1)
                                    else exp(40::float8) end;
    longest constant interval := case when retry_interval > most / growth then most
                                      else least(retry_interval * growth, most) end;
    digest  constant text := encode(sha256(int8send(job_id) || int4send(try)), 'hex');
    drawn   constant numeric := ('x' || left(digest, 8))::bit(32)::bigint / 4294967296.0;    -- from 0 to 1
begin
    return longest * (1 - coalesce(retry_jitter, 0)::numeric * drawn)::float8;
end
$$;

-- Return the delay of a row, of which each column that is null is as the row's action says. The action is read
-- here, where a retry is made: neither the claim nor the record of a success has a share in it.
create function asyncjob.retry_delay_of(
    job_name text, retry_interval interval, retry_backoff float8, retry_interval_max interval,
    retry_jitter float8, job_id bigint, try integer
) returns interval
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    usual record;
begin
    select action.retry_backoff, action.retry_interval_max, action.retry_jitter into usual
      from asyncjob.action where action.name = job_name;
    return asyncjob.retry_delay(
        retry_interval, coalesce(retry_backoff, usual.retry_backoff),
        coalesce(retry_interval_max, usual.retry_interval_max), coalesce(retry_jitter, usual.retry_jitter),
        job_id, try);
end
$$;


-- ---------------------------------------------------------------- rights

-- They run with their owner's rights. A trigger's own function needs no right to run, but one to be attached.
revoke execute on function asyncjob.job_updated_by_client(), asyncjob.job_deleted() from public;

-- Whoever may insert takes ids from it all the same.
grant usage on sequence asyncjob.job_id_seq to public;

-- Grant the roles of clients what they need, whoever has made them and whatever the database's default
-- privileges keep from PUBLIC; make them where they are missing and the caller may. Call it again after
-- somebody else has made them, or after a dump was restored where they were not: it does no harm twice.
create function asyncjob.grant_rights() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    role_name     name;
    function_name regprocedure;
begin
    foreach role_name in array array['asyncjob_producer', 'asyncjob_reader', 'asyncjob_operator'] loop
        begin
            if not exists (select from pg_roles where rolname = role_name) then
                execute format('create role %I nologin', role_name);
            end if;
        exception
            when duplicate_object or unique_violation then null;    -- made from another database just now
            when insufficient_privilege then
                raise warning 'role % is missing, and % may not create roles', role_name, current_user
                  using hint = format('As a superuser: create role %I; then as %I: '
                                      'select asyncjob.grant_rights()', role_name, current_user);
                continue;
        end;
        execute format('grant usage on schema asyncjob to %I', role_name);
        execute format('grant usage on type asyncjob.status to %I', role_name);
        -- by name, as the schema may have tables of the site's own
        execute format('grant select on asyncjob.job, asyncjob.execution, asyncjob.daemon, asyncjob.action, '
                       'asyncjob.bucket, asyncjob.rollup, asyncjob.limits, asyncjob.schedule, asyncjob.migration '
                       'to %I',
                       role_name);
        if not has_schema_privilege(role_name, 'asyncjob', 'usage') then    -- the schema is somebody else's
            raise warning '% may not grant usage on schema asyncjob to %', current_user, role_name
              using hint = format('As %s: grant usage on schema asyncjob to %I',
                                  (select nspowner::regrole from pg_namespace where nspname = 'asyncjob'),
                                  role_name);
        end if;
    end loop;

    if exists (select from pg_roles where rolname = 'asyncjob_producer') then
        grant insert, update, delete on asyncjob.job to asyncjob_producer;
        grant usage, select on sequence asyncjob.job_id_seq to asyncjob_producer;
    end if;
    if exists (select from pg_roles where rolname = 'asyncjob_operator') then
        grant update (paused_until, max_running_per_daemon, max_running, max_running_per_key, rate,
                      rate_per_key, burst) on asyncjob.action to asyncjob_operator;
        grant update (is_draining) on asyncjob.daemon to asyncjob_operator;
        grant insert, update, delete on asyncjob.schedule to asyncjob_operator;
    end if;

    -- The triggers and the view call these functions with the client's rights. What runs with its owner's
    -- rights is not for others to call, and a trigger's own function asks for no right.
    for role_name in
        select rolname from pg_roles
         where rolname in ('asyncjob_producer', 'asyncjob_reader', 'asyncjob_operator')
    loop
        for function_name in
            select oid from pg_proc
             where pronamespace = 'asyncjob'::regnamespace and prorettype <> 'trigger'::regtype
               and not prosecdef and proname <> 'grant_rights' and pg_has_role(proowner, 'usage')
        loop
            execute format('grant execute on function %s to %I', function_name, role_name);
        end loop;
    end loop;
end
$$;

select asyncjob.grant_rights();
