-- asyncjob, version 5: who may set asyncjob.engine is asked for each row, and occurrences go on where version 3 was.

-- A statement that sets it in its own course is past the question that is asked once a statement.
create or replace trigger job_updated_by_client before update on asyncjob.job for each row
    when (current_setting('asyncjob.engine', true) is distinct from 'on'
          or not has_table_privilege('asyncjob.daemon'::regclass, 'insert'))
    execute function asyncjob.job_updated_by_client();

create or replace trigger job_occurs_again before update on asyncjob.job for each row
    when ((new.occurrence <> old.occurrence
           or old.status in ('Completed', 'Failed') and new.status in ('Queued', 'In Progress'))
          and (current_setting('asyncjob.engine', true) is distinct from 'on'
               or not has_table_privilege('asyncjob.daemon'::regclass, 'insert')))
    execute function asyncjob.job_occurrence();

-- Until version 3 the number in an idempotency key was execution_total - execution_count: none of them is used again.
set local asyncjob.engine = 'on';
update asyncjob.job set occurrence = execution_total - execution_count where occurrence < execution_total - execution_count;
set local asyncjob.engine = '';
