-- asyncjob, version 8: the grid of a recursive job, exact for every step that is allowed.

-- Whether an interval is as long as PostgreSQL takes it for: more than 0 and at most 1000 years, with every month as 30
-- days. By that '-1 mon 31 days' is a day, but a grid of it would run backwards. The constraints are checked at every claim
-- and record: the body becomes a part of them, where a call would cost as much as all else of the row.
create function asyncjob.is_duration(value interval) returns boolean language sql immutable
begin atomic
    select value > interval '0' and value <= interval '1000 years'
           and date_part('year', value) between 0 and 1000 and date_part('month', value) >= 0;
end;

-- Those that were accepted before get the days that they were taken for.
update asyncjob.job
   set retry_interval = retry_interval + (12 * extract(year from retry_interval) + extract(month from retry_interval))
                                         * interval '-1 month 30 days'
 where not asyncjob.is_duration(retry_interval);

update asyncjob.job
   set timeout = timeout + (12 * extract(year from timeout) + extract(month from timeout)) * interval '-1 month 30 days'
 where not asyncjob.is_duration(timeout);

alter table asyncjob.job
    drop constraint job_retry_interval_check,
    drop constraint job_timeout_check,
    add constraint job_retry_interval_check check (asyncjob.is_duration(retry_interval)),
    add constraint job_timeout_check check (asyncjob.is_duration(timeout));


-- ---------------------------------------------------------------- the grid of a recursive job

-- The times anchor + k * step for k = 0, 1, 2, ..., in UTC, as PostgreSQL adds: months first (on the last day of a month
-- that is too short), then days of 24 hours, then the time. Those before the anchor do not count. With a step such as
-- '1 month -29 days' some numbers have a later time than the next ones.

-- The same as anchor + k * step, but exact, where PostgreSQL multiplies in floating point and may pass through years that
-- it cannot represent. 4800 months always have as many days.
create or replace function asyncjob.grid_time(anchor timestamptz, step interval, k bigint) returns timestamptz
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    months  constant bigint := 12 * extract(year from step) + extract(month from step);
    seconds constant numeric := k * extract(epoch from step - make_interval(months => months::integer))
                                + div(k * months, 4800) * 146097 * 86400;
begin
    return (anchor at time zone 'UTC'
            + make_interval(months => (k * months % 4800)::integer)
            + make_interval(days => div(seconds, 86400)::integer, secs => mod(seconds, 86400)::float8)) at time zone 'UTC';
end
$$;

-- How many times come after the anchor and not after `at`; -1 before the anchor. A month has 2,629,746 seconds in the
-- mean, by which a time is off by less than 5 days (4.4): only numbers so near to `at` need their times looked at.
create or replace function asyncjob.grid_number(anchor timestamptz, step interval, at timestamptz) returns bigint
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    months    constant integer := 12 * extract(year from step) + extract(month from step);
    mean      constant numeric := extract(epoch from step - make_interval(months => months)) + 2629746 * months::numeric;
    deviation constant integer := case months when 0 then 0 else 5 * 86400 end;
    elapsed   constant numeric := extract(epoch from at) - extract(epoch from anchor);
    k                  bigint := div(greatest(elapsed - deviation, 0), mean);       -- this time is not after `at`
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

-- The first time that is after `at`. The numbers that are looked at: as in grid_number.
create function asyncjob.next_grid_time(anchor timestamptz, step interval, at timestamptz) returns timestamptz
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    months    constant integer := 12 * extract(year from step) + extract(month from step);
    mean      constant numeric := extract(epoch from step - make_interval(months => months)) + 2629746 * months::numeric;
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
