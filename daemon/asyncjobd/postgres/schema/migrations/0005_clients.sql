-- asyncjob, version 5: what a client can do no more.

-- Who may set asyncjob.engine is asked for each row: a statement that sets it in its own course is past any question that
-- is asked before. Who may not is a client whatever it sets.
create or replace trigger job_updated_by_client before update on asyncjob.job for each row
    when (current_setting('asyncjob.engine', true) is distinct from 'on'
          or not has_table_privilege('asyncjob.daemon'::regclass, 'insert'))
    execute function asyncjob.job_updated_by_client();

drop trigger engine_statement on asyncjob.job;
drop function asyncjob.engine_statement();

-- Ended rows are recorded as they are, within what every client can read and the daemon can count on.
create function asyncjob.refuse_history() returns trigger language plpgsql as $$
begin
    raise exception 'asyncjob.job: no such history: started_at %, finished_at %, last_execution_time %, occurrence %',
                    new.started_at, new.finished_at, new.last_execution_time, new.occurrence
      using errcode = 'check_violation', hint = 'Times lie between the years 1000 and 9000, occurrence between 0 and 10^15.';
end
$$;

create trigger job_recorded_by_client before insert on asyncjob.job for each row
    when (new.status in ('Completed', 'Failed')
          and (least(new.started_at, new.finished_at, new.last_execution_time) < '1000-01-01 UTC'
               or greatest(new.started_at, new.finished_at, new.last_execution_time) > '9000-01-01 UTC'
               or new.occurrence not between 0 and 1000000000000000))
    execute function asyncjob.refuse_history();
