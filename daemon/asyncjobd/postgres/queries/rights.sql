-- What a daemon needs and this role may not do.
with needed (relname, privileges) as (
    values ('job', array['select', 'insert', 'update', 'delete']), ('execution', array['select', 'insert', 'delete']),
           ('daemon', array['select', 'insert', 'update', 'delete']), ('action', array['select', 'insert', 'update']),
           ('migration', array['select'])
)
select 'schema asyncjob' as object, array['usage'] as missing, current_user as role
  from pg_namespace where nspname = 'asyncjob' and not has_schema_privilege(oid, 'usage')
 union all
select 'asyncjob.' || relname, array_agg(privilege), current_user
  from needed
  join pg_class using (relname)
 cross join unnest(privileges) as privilege
 where relnamespace = (select oid from pg_namespace where nspname = 'asyncjob')
   and not has_table_privilege(pg_class.oid, privilege)
 group by relname
