-- asyncjob, version 4: of which occurrence of its job an execution is a try, so that other systems can tell.

-- The daemon's: how often the job has occurred before. A client that runs it again begins an occurrence, and each time on
-- its grid is one; retries, stops and lost daemons begin none.
alter table asyncjob.job add column occurrence bigint not null default 0;

create function asyncjob.job_occurrence() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform asyncjob.refuse_daemon_columns(to_jsonb(new) || jsonb_build_object('occurrence', 0), to_jsonb(new));
    elsif new.occurrence <> old.occurrence then
        perform asyncjob.refuse_daemon_columns(to_jsonb(old), to_jsonb(new));
    end if;
    new.occurrence := old.occurrence + 1;
    return new;
end
$$;

create trigger job_inserted_in_occurrence before insert on asyncjob.job for each row
    when (new.occurrence <> 0 and new.status not in ('Completed', 'Failed'))    -- ended rows are recorded as they are
    execute function asyncjob.job_occurrence();

create trigger job_occurs_again before update on asyncjob.job for each row
    when ((new.occurrence <> old.occurrence
           or old.status in ('Completed', 'Failed') and new.status in ('Queued', 'In Progress'))
          and (current_setting('asyncjob.engine', true) is distinct from 'on'
               or not has_table_privilege('asyncjob.daemon'::regclass, 'insert')))
    execute function asyncjob.job_occurrence();
