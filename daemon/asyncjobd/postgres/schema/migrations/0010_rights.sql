-- asyncjob, version 10: producers and readers may do what they are for, whoever made their roles, and whatever the
-- database's default privileges keep from PUBLIC.

-- Grants the two roles what they need, and makes them where they are missing and the caller may. Call it again after
-- they were made by somebody else, or after a dump was restored where they were not: it does no harm twice.
create function asyncjob.grant_rights() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    role_name     name;
    function_name regprocedure;
begin
    foreach role_name in array array['asyncjob_producer', 'asyncjob_reader'] loop
        begin
            if not exists (select from pg_roles where rolname = role_name) then
                execute format('create role %I nologin', role_name);
            end if;
        exception
            when duplicate_object or unique_violation then null;    -- made for another database at this very moment
            when insufficient_privilege then
                raise warning 'role % is missing, and % may not create roles', role_name, current_user
                  using hint = format('As a superuser: create role %I; then as %I: select asyncjob.grant_rights()',
                                      role_name, current_user);
                continue;
        end;
        execute format('grant usage on schema asyncjob to %I', role_name);
        execute format('grant usage on type asyncjob.status to %I', role_name);
        -- by name, as the schema may have tables of the site's own
        execute format('grant select on asyncjob.job, asyncjob.execution, asyncjob.daemon, asyncjob.action, '
                       'asyncjob.migration to %I', role_name);
        if not has_schema_privilege(role_name, 'asyncjob', 'usage') then    -- the schema is somebody else's
            raise warning '% may not grant usage on schema asyncjob to %', current_user, role_name
              using hint = format('As %s: grant usage on schema asyncjob to %I',
                                  (select nspowner::regrole from pg_namespace where nspname = 'asyncjob'), role_name);
        end if;
    end loop;

    if exists (select from pg_roles where rolname = 'asyncjob_producer') then
        grant insert, update, delete on asyncjob.job to asyncjob_producer;
        grant usage, select on sequence asyncjob.job_id_seq to asyncjob_producer;
        -- The triggers call them with the client's rights. What runs with its owner's is not for others to call, and a
        -- trigger's function asks for no right.
        for function_name in
            select oid from pg_proc
             where pronamespace = 'asyncjob'::regnamespace and prorettype <> 'trigger'::regtype and not prosecdef
               and proname <> 'grant_rights' and pg_has_role(proowner, 'usage')
        loop
            execute format('grant execute on function %s to asyncjob_producer', function_name);
        end loop;
    end if;
end
$$;

select asyncjob.grant_rights();
