-- asyncjob, version 9: rows as clients, ORMs and restores of a dump bring them.

-- Where somebody listens in a transaction that does not end, the queue of notifications fills up, and a commit that
-- notifies fails. Before that, nobody is told any more, and the daemons find the rows when they look by themselves.
create or replace function asyncjob.notify(channel text, payload text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if current_setting('asyncjob.notify', true) is distinct from 'off' and pg_notification_queue_usage() < 0.9 then
        perform pg_notify(channel, payload);
    end if;
end
$$;

create or replace function asyncjob.job_inserted_by_client() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if current_setting('asyncjob.engine', true) = 'on' and has_table_privilege('asyncjob.daemon'::regclass, 'insert') then
        return new;                         -- of a dump: as it is
    end if;
    if num_nulls(new.id, new.params, new.status, new.priority, new.execution_count, new.execution_total, new.occurrence) > 0
    then                                    -- an ORM writes null where it means the default
        new.id := coalesce(new.id, nextval('asyncjob.job_id_seq'));
        new.params := coalesce(new.params, '{}');
        new.status := coalesce(new.status, 'In Progress');
        new.priority := coalesce(new.priority, 0);
        new.execution_count := coalesce(new.execution_count, 0);
        new.execution_total := coalesce(new.execution_total, 0);
        new.occurrence := coalesce(new.occurrence, 0);
    end if;
    new.created_at := now();
    new.created_by := session_user;
    new.due_at := coalesce(new.schedule_time, now());
    if new.status in ('Completed', 'Failed') and num_nonnulls(new.daemon_id, new.lease, new.hold_reason) = 0 then
        new.finished_at := coalesce(new.finished_at, now());
        if least(new.started_at, new.finished_at, new.last_execution_time) < '1000-01-01 UTC'
           or greatest(new.started_at, new.finished_at, new.last_execution_time) > '9000-01-01 UTC'
           or new.occurrence not between 0 and 1000000000000000
        then
            raise exception 'asyncjob.job: no such history: started_at %, finished_at %, last_execution_time %, occurrence %',
                            new.started_at, new.finished_at, new.last_execution_time, new.occurrence
              using errcode = 'check_violation',
                    hint = 'Times lie between the years 1000 and 9000, occurrence between 0 and 10^15.';
        end if;
        return new;                         -- recorded as is
    end if;
    if new.execution_count <> 0 or new.execution_total <> 0 or new.occurrence <> 0 or num_nonnulls(
           new.progress, new.progress_message, new.result, new.message, new.traceback, new.last_execution_status,
           new.last_execution_time, new.started_at, new.finished_at, new.hold_reason, new.daemon_id, new.lease) > 0
    then
        perform asyncjob.refuse_daemon_columns(
            to_jsonb(new) || jsonb_build_object(
                'execution_count', 0, 'execution_total', 0, 'occurrence', 0, 'progress', null, 'progress_message', null,
                'result', null, 'message', null, 'traceback', null, 'last_execution_status', null,
                'last_execution_time', null, 'started_at', null, 'finished_at', null, 'hold_reason', null,
                'daemon_id', null, 'lease', null),
            to_jsonb(new));
    end if;
    if new.status in ('Queued', 'In Progress') then
        new.status := asyncjob.waiting_status(new.due_at);
    end if;
    return new;
end
$$;

-- What most clients insert (a name, params, no time) is right by the columns' defaults and does not call it. One trigger,
-- as PostgreSQL reads the condition of each anew for every statement.
create or replace trigger job_inserted_by_client before insert on asyncjob.job for each row
    when (new.status is distinct from 'In Progress' or new.schedule_time is not null or new.due_at is distinct from now()
          or new.created_at is distinct from now() or new.created_by is distinct from session_user
          or new.execution_count is distinct from 0 or new.execution_total is distinct from 0
          or new.occurrence is distinct from 0 or num_nulls(new.id, new.params, new.priority) > 0
          or num_nonnulls(new.progress, new.progress_message, new.result, new.message, new.traceback,
                          new.last_execution_status, new.last_execution_time, new.started_at, new.finished_at,
                          new.hold_reason, new.daemon_id, new.lease) > 0)
    execute function asyncjob.job_inserted_by_client();

drop trigger job_recorded_by_client on asyncjob.job;
drop function asyncjob.refuse_history();
drop trigger job_inserted_in_occurrence on asyncjob.job;

create or replace function asyncjob.job_occurrence() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if new.occurrence <> old.occurrence then
        perform asyncjob.refuse_daemon_columns(to_jsonb(old), to_jsonb(new));
    end if;
    new.occurrence := old.occurrence + 1;
    return new;
end
$$;

-- An id that the sequence has yet to give would fail the insert of whoever gets it. Those that it has passed do no harm.
create function asyncjob.refuse_id(id bigint) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if current_setting('asyncjob.engine', true) is distinct from 'on'
       or not has_table_privilege('asyncjob.daemon'::regclass, 'insert')
    then
        raise exception 'asyncjob.job %: a client cannot write an id that the table has not given', id
          using errcode = 'insufficient_privilege', hint = 'Leave id out.';
    end if;
end
$$;

create or replace function asyncjob.jobs_inserted() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform case when min(inserted.id) < 1 then asyncjob.refuse_id(min(inserted.id))
                 when max(inserted.id) > coalesce(pg_sequence_last_value('asyncjob.job_id_seq'), 0)
                 then asyncjob.refuse_id(max(inserted.id)) end,
            case when inserted.status in ('Queued', 'In Progress')
                 then asyncjob.announce(inserted.job_name, inserted.status, min(inserted.due_at)) end
       from inserted
      group by inserted.job_name, inserted.status;
    return null;
end
$$;

-- Whoever may insert takes from it all the same.
grant usage on sequence asyncjob.job_id_seq to public;

-- Anybody may make a trigger of it on a table of his own, whose types bring code that would run with its owner's rights.
create or replace function asyncjob.job_runs_again() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if tg_relid <> 'asyncjob.job'::regclass then
        raise exception '%: this trigger is for asyncjob.job alone', tg_relid::regclass
          using errcode = 'insufficient_privilege';
    end if;
    insert into asyncjob.execution (job_id, number, started_at, finished_at, status, message, traceback)
    values (old.id, old.execution_total, old.started_at, coalesce(old.last_execution_time, now()),
            old.last_execution_status, old.message, old.traceback)
        on conflict do nothing;
    return new;
end
$$;
