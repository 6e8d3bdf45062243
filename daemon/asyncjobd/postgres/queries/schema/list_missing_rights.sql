-- List the rights that a role lacks for a purpose, one row an object, in the words of GRANT.
-- A schema that does not exist lacks nothing.
-- :purpose  daemon, producer, reader or operator
with schema as (
    select pg_namespace.oid from pg_namespace where pg_namespace.nspname = 'asyncjob'
),
needed (relname, of_daemon, of_producer, of_operator) as (
    values ('job', '{select,insert,update,delete}'::text[], '{select,insert,update,delete}'::text[],
            '{select}'::text[]),
           ('execution', '{select,insert,delete}', '{select}', '{select}'),
           ('daemon', '{select,insert,update,delete}', '{select}', '{select}'),
           ('action', '{select,insert,update}', '{select}', '{select}'),
           ('bucket', '{select,insert,update,delete}', '{select}', '{select}'),
           ('limits', '{select}', '{select}', '{select}'),
           ('schedule', '{select,insert,update}', '{select}', '{select,insert,update,delete}'),
           ('rollup', '{select,insert,update,delete}', '{select}', '{select}'),
           ('migration', '{select}', '{select}', '{select}')
),
controlled (relname, attname, number) as (
    values ('action', 'paused_until', 1), ('action', 'max_running_per_daemon', 2),
           ('action', 'max_running', 3), ('action', 'max_running_per_key', 4), ('action', 'rate', 5),
           ('action', 'rate_per_key', 6), ('action', 'burst', 7), ('daemon', 'is_draining', 1)
),
lack (object, missing) as (
    select 'schema asyncjob', array['usage']
      from schema where not has_schema_privilege(:role::name, schema.oid, 'usage')
    union all
    select 'asyncjob.' || needed.relname, array_agg(privilege.name order by privilege.number)
      from needed
      join pg_class on pg_class.relname = needed.relname
                   and pg_class.relnamespace = (select schema.oid from schema)
     cross join unnest(case :purpose::text when 'daemon' then needed.of_daemon
                                           when 'producer' then needed.of_producer
                                           when 'operator' then needed.of_operator
                                           else '{select}' end)
           with ordinality as privilege (name, number)
     where not has_table_privilege(:role::name, pg_class.oid, privilege.name)
     group by needed.relname
    union all
    select 'asyncjob.' || controlled.relname,
           array_agg(format('update (%s)', controlled.attname) order by controlled.number)
      from controlled
      join pg_class on pg_class.relname = controlled.relname
                   and pg_class.relnamespace = (select schema.oid from schema)
     where :purpose::text = 'operator'
       and not has_column_privilege(:role::name, pg_class.oid, controlled.attname, 'update')
     group by controlled.relname
    union all
    select format('function asyncjob.%I(%s)',
                  pg_proc.proname, pg_get_function_identity_arguments(pg_proc.oid)),
           array['execute']
      from pg_proc
     where :purpose::text <> 'reader' and pg_proc.pronamespace = (select schema.oid from schema)
       and pg_proc.prorettype <> 'trigger'::regtype and not pg_proc.prosecdef
       and pg_proc.proname <> 'grant_rights'
       and not has_function_privilege(:role::name, pg_proc.oid, 'execute')
    union all
    select 'sequence asyncjob.job_id_seq', array['usage']
      from pg_class
     where :purpose::text = 'producer' and pg_class.relname = 'job_id_seq'
       and pg_class.relnamespace = (select schema.oid from schema)
       and not has_sequence_privilege(:role::name, pg_class.oid, 'usage')
    union all
    select 'type asyncjob.status', array['usage']
      from pg_type
     where :purpose::text <> 'daemon' and pg_type.typname = 'status'
       and pg_type.typnamespace = (select schema.oid from schema)
       and not has_type_privilege(:role::name, pg_type.oid, 'usage')
)
select quote_ident(:role::text) as role, lack.object, lack.missing from lack
